// Upstream's own answers: reads one question a line as JSON, and writes one answer a line in the same order.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// A question says what it is by `ask`; its other members are those of the function that answers it.
type question struct {
	Ask string `json:"ask"`
}

var answers = map[string]func([]byte) (any, error){
	"admit":     admit,
	"configMap": checkConfigMap,
	"scale":     scale,
	"rollout":   rollOut,
	"hosts":     hosts,
	"traffic":   shares,
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := in.ReadBytes('\n')
		if len(line) == 0 || err != nil {
			return
		}
		answer, err := answerTo(line)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%v: %s", err, line)
			os.Exit(1)
		}
		out.Write(answer)
		out.WriteByte('\n')
	}
}

func answerTo(line []byte) ([]byte, error) {
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	answer, ok := answers[asked.Ask]
	if !ok {
		return nil, fmt.Errorf("nobody answers %q", asked.Ask)
	}
	said, err := answer(line)
	if err != nil {
		return nil, err
	}
	return json.Marshal(said)
}
