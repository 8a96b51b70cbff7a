//go:build !linux

package main

// dieWithGoRun needs a parent-death signal, which only Linux has.
func dieWithGoRun() {}
