package bpf

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -target bpfel FilterProbe filter.bpf.c -- -mcpu=v3 -O2 -g -Wall -Werror -Iinclude -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu -ffile-prefix-map=../=
