// SPDX-License-Identifier: Apache-2.0

package critest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wazelet/wazelet/integration/lab"
)

// digestInSuite names an image by its content, whose bytes only its registry has.
const digestInSuite = "9700f9a2f5bf2c45f2f605a0bd3bce7cf37420ec9d3ed50ac2758413308766bf"

// WriteProgram writes critest to a file, with the digest of our image, which Push
// returns, in the place of the one that is written into it: they are of the same length.
func WriteProgram(cluster *lab.Cluster, file, digest string) error {
	content, err := os.ReadFile(filepath.Join(cluster.PartsDir(), "critest"))
	if err != nil {
		return err
	}
	if count := bytes.Count(content, []byte(digestInSuite)); count != 1 || len(digest) != len(digestInSuite) {
		return fmt.Errorf("critest names its image by digest %d times, want once; ours is %q", count, digest)
	}
	return os.WriteFile(file, bytes.Replace(content, []byte(digestInSuite), []byte(digest), 1), 0o755)
}

// processes is how many specs run at once. They mostly wait.
const processes = 4

// Suite is one run of it.
type Suite struct {
	// Program is the file that WriteProgram has written.
	Program string
	// Dir is a new folder for what the run writes. It stays, with the report.
	Dir string
	// Socket is the path of the CRI socket that the suite is run against.
	Socket string
	// Handler is that of its pods.
	Handler string
	// Only are the names of the specs that are run; all when it is empty.
	Only []string
}

// Run runs the suite inside the laboratory, whatever number of specs fail, and returns
// what became of them.
func (s Suite) Run(ctx context.Context, cluster *lab.Cluster) (specs []Spec, err error) {
	file, tmp := filepath.Join(s.Dir, "report.json"), filepath.Join(s.Dir, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unmount(ctx, cluster, tmp)) }()
	// It looks for ginkgo in PATH, and leaves files behind, and shared memory.
	args := []string{
		"--ipc", "env", "TMPDIR=" + tmp, "PATH=" + cluster.PartsDir() + ":" + os.Getenv("PATH"), s.Program,
		"-runtime-endpoint", "unix://" + s.Socket, "-image-endpoint", "unix://" + s.Socket, "-runtime-handler", s.Handler,
		"-parallel", strconv.Itoa(processes), "-ginkgo.no-color", "-ginkgo.json-report", file,
	}
	if len(s.Only) > 0 {
		var names []string
		for _, name := range s.Only {
			names = append(names, regexp.QuoteMeta(name))
		}
		args = append(args, "-ginkgo.focus", strings.Join(names, "|"))
	}
	out, failed := cluster.Command(ctx, "unshare", args...)
	report, err := os.Open(file)
	if err == nil {
		defer report.Close()
		specs, err = Read(report)
	}
	if len(s.Only) > 0 {
		specs = slices.DeleteFunc(specs, func(spec Spec) bool { return !slices.Contains(s.Only, spec.Name) })
	}
	if err != nil || len(specs) == 0 {
		said := out.Stdout + out.Stderr
		return nil, fmt.Errorf("critest: %w\n%s", errors.Join(err, failed), said[max(0, len(said)-16<<10):])
	}
	return specs, nil
}

// unmount takes back what specs that failed have left mounted below a folder.
func unmount(ctx context.Context, cluster *lab.Cluster, dir string) error {
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", cluster.PID("registry")))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		if point := strings.Fields(line)[4]; strings.HasPrefix(point, dir+"/") {
			_, failed := cluster.Command(ctx, "umount", point)
			err = errors.Join(err, failed)
		}
	}
	return err
}
