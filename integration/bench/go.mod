module github.com/wazelet/wazelet/integration/bench

go 1.26.6

require (
	github.com/bytecodealliance/wasmtime-go/v39 v39.0.1
	github.com/tetratelabs/wazero v1.12.0
	github.com/wazelet/wazelet v0.0.0
	golang.org/x/sys v0.48.0
)

require golang.org/x/term v0.46.0 // indirect

replace github.com/wazelet/wazelet => ../..
