module github.com/weir-flow/weir/ffi/go

go 1.23
