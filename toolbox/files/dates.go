// SPDX-License-Identifier: Apache-2.0

package files

import (
	"fmt"
	"os"
	"time"

	"github.com/wazelet/wazelet/toolbox/command"
	"github.com/wazelet/wazelet/toolbox/dates"
)

func touchTime(c *command.Call, o command.Options) (time.Time, error) {
	if file := o.Value("r", ""); file != "" {
		info, err := os.Stat(c.Path(file))
		if err != nil {
			return time.Time{}, fmt.Errorf("%s: %s", file, command.Reason(err))
		}
		return info.ModTime(), nil
	}
	if text := o.Value("d", ""); text != "" {
		return dates.Parse(text, time.Now())
	}
	return time.Now(), nil
}
