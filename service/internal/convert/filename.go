package convert

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFileName bounds a file's name in bytes, with room for what browsers and
// people put behind it within the 255 that file systems take.
const maxFileName = 180

// fileName makes a file's name of a notebook's: no path, nothing that a shell,
// a header or a file system takes for more than a name.
func fileName(name string, f Format) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`/\:*?"<>|`, r), r == utf8.RuneError:
			return '_'
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			// Format characters can turn the direction of what follows, so that
			// the name seems to end otherwise than it does.
			return -1
		}
		return r
	}, name)
	for len(clean) > maxFileName {
		_, size := utf8.DecodeLastRuneInString(clean)
		clean = clean[:len(clean)-size]
	}
	// Names with a dot in front are hidden, with a dash they pass for options;
	// Windows drops dots and spaces at the end.
	clean = strings.TrimRight(strings.TrimLeft(clean, " .-~"), " .")
	if strings.Trim(clean, "_ .") == "" {
		clean = "notebook"
	}
	if base, _, _ := strings.Cut(clean, "."); slices.Contains(deviceNames, strings.ToUpper(strings.TrimSpace(base))) {
		clean = "_" + clean
	}
	return clean + "." + string(f)
}

// deviceNames can't be files' names on Windows, whatever comes after a dot.
var deviceNames = []string{
	"CON", "PRN", "AUX", "NUL",
	"COM0", "COM1", "COM2", "COM3", "COM4", "COM5", "COM6", "COM7", "COM8", "COM9",
	"LPT0", "LPT1", "LPT2", "LPT3", "LPT4", "LPT5", "LPT6", "LPT7", "LPT8", "LPT9",
}

// asciiFileName is fileName in ASCII, with one underscore for each run of other
// characters.
func asciiFileName(name string, f Format) string {
	var b strings.Builder
	other := false
	for _, r := range name {
		if r >= utf8.RuneSelf {
			if !other {
				b.WriteByte('_')
			}
			other = true
			continue
		}
		other = false
		// A percent sign in the plain parameter is decoded by some browsers.
		if r == '%' {
			r = '_'
		}
		b.WriteRune(r)
	}
	return fileName(b.String(), f)
}
