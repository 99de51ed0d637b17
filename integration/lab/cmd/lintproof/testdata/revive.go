package fault // want revive "package comment"

import (
	"context"
	"errors"
)

func Exported() {} // want revive "exported function"

func late(n int, ctx context.Context) int { // want revive "context.Context should be the first"
	if ctx.Err() != nil {
		return 0
	}
	return n
}

type thing struct{}

func (t thing) a()    {}
func (self thing) b() {} // want revive "receiver name"

var failure = errors.New("failure") // want revive "error var"

var _, _, _, _ = late, thing.a, thing.b, failure
