// SPDX-License-Identifier: Apache-2.0

package bytecode

// Extension is what a module uses beyond WebAssembly 2.0, by the name that
// people know it by.
type Extension string

// Extensions. Tail calls, extended constant expressions and typed function
// references are not among them: every engine of today has those.
const (
	GC               Extension = "garbage collection"
	Exceptions       Extension = "exception handling"
	LegacyExceptions Extension = "legacy exception handling"
	Threads          Extension = "threads"
	Memory64         Extension = "64-bit memory"
	MultiMemory      Extension = "multiple memories"
	CustomPages      Extension = "custom page sizes"
	StackSwitching   Extension = "stack switching"
	RelaxedSIMD      Extension = "relaxed SIMD"
	WideArithmetic   Extension = "wide arithmetic"
)

// Extension is what the instruction belongs to; "" for nothing.
func (op Op) Extension() Extension {
	switch op {
	case Try, Catch, Rethrow, Delegate, CatchAll:
		return LegacyExceptions
	case Throw, ThrowRef, TryTable:
		return Exceptions
	case 0xd3: // ref.eq
		return GC
	}
	switch {
	case 0xe0 <= op && op <= 0xe6:
		return StackSwitching
	case op>>8 == prefixGC:
		return GC
	case op>>8 == prefixThreads:
		return Threads
	case op>>16 == prefixSIMD:
		return RelaxedSIMD
	case prefixMisc<<8|19 <= op && op <= prefixMisc<<8|22:
		return WideArithmetic
	}
	return ""
}
