// Package bpf is the kernel half of gortap and its generated Go bindings,
// nothing else. The programs are in capture.bpf.c; include/ holds one header an
// idea, in the order a packet meets them: parse, filter, account, emit.
//
// The objects are committed, so that building the agent needs no clang. After a
// change to the C code run `make generate`.
package bpf

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -target bpfel -type event -type jump -type lane -type flow -type flow_end -type skip -type control_input -type counter -type outcome -type event_type -type lock_state -type dir_flag -type command Capture capture.bpf.c -- -mcpu=v3 -O2 -g -Wall -Werror -Iinclude -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu -ffile-prefix-map=../=
