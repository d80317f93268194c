// Package main is etcd as its authors ship it; their server module holds the program but cannot be installed by itself.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
