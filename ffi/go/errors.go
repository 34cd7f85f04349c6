package weir

// Kind says who can act.
type Kind string

const (
	// Missing is something that the caller can get or mend, such as a newer checkpoint or the clock.
	Missing Kind = "missing"
	// NotYet is what nobody can prove now.
	NotYet Kind = "not-yet"
	// NeedsUpdate is what only a newer version of the library understands.
	NeedsUpdate Kind = "needs-update"
	// Invalid is evidence that breaks a rule: whoever made it is at fault.
	Invalid Kind = "invalid"
	// Transport is no answer, or a refusal.
	Transport Kind = "transport"
	// Usage is an argument that the caller has to correct.
	Usage Kind = "usage"
	// Internal is a bug of the library.
	Internal Kind = "internal"
)

// Error is why there is no verified answer.
type Error struct {
	Kind Kind
	// Rule is what is missing, or which rule is broken, as docs/rules.md names it.
	Rule    string
	Message string
}

func (e *Error) Error() string { return e.Message }
