// Package frontend carries the built page inside the Go binary.
//
// It is nothing but the embedded files: `npm run build` fills dist, and a
// binary compiled before that has no page in it (Dist then holds only the
// placeholder that keeps the directory in git).
package frontend

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var files embed.FS

// Dist returns the built page, index.html at its root, and whether this
// binary was compiled with one.
func Dist() (page fs.FS, built bool) {
	dist, err := fs.Sub(files, "dist")
	if err != nil {
		panic(err) // the embed directive above names the directory
	}
	_, err = fs.Stat(dist, "index.html")
	return dist, err == nil
}
