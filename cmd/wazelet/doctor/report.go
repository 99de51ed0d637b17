// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// WriteText writes the findings as a table for people, what to do about each
// below it, and a last line that counts them.
func WriteText(w io.Writer, findings []Finding) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	count := map[Status]int{}
	for _, f := range findings {
		count[f.Status]++
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.Status, f.Check, f.What)
		if f.Mend != "" {
			fmt.Fprintf(table, "\t\t→ %s\n", f.Mend)
		}
	}
	fmt.Fprintf(table, "\n%d ok, %d to look at, %d to mend\n", count[OK], count[Warn], count[Fail])
	return table.Flush()
}

// WriteJSON writes the findings as one JSON object for programs.
func WriteJSON(w io.Writer, findings []Finding) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Failed   bool      `json:"failed"`
		Findings []Finding `json:"findings"`
	}{Failed(findings), findings})
}
