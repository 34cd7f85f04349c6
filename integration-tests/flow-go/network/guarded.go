package network

import "fmt"

// Guarded turns a panic of flow-go into an error: what ends a node is accepted by none.
func Guarded(ask func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("flow-go panics: %v", reason)
		}
	}()
	return ask()
}
