package api

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/reactive-notebook/reactive-notebook/service/internal/convert"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

// exportPolicy keeps an exported page, should a browser show it instead of
// saving it, from running or reaching anything of ours.
const exportPolicy = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"

// exportNotebook answers with the notebook as a file to download.
func (a *API) exportNotebook(c *gin.Context, nb string) error {
	format, ok := c.GetQuery("format")
	if !ok {
		return badQuery("format", "is required: ipynb, py, html or md")
	}
	n, err := a.notebooks.Get(c.Request.Context(), nb)
	if err != nil {
		return err
	}
	file, err := convert.Export(n, convert.Format(format))
	if err != nil {
		return err
	}
	c.Header("Content-Security-Policy", exportPolicy)
	c.Header("ETag", etag(n.Version))
	c.Header("Content-Disposition", `attachment; filename="`+file.ASCIIName+`"; filename*=UTF-8''`+
		strings.ReplaceAll(url.QueryEscape(file.Name), "+", "%20")) // RFC 8187
	c.Data(http.StatusOK, file.ContentType, file.Body)
	return nil
}

// imported is a notebook that was made from a file, with what of the file it
// could not take over.
type imported struct {
	*notebook.Notebook
	Lost []string `json:"lost"`
}

// importNotebook makes a notebook from a file.
func (a *API) importNotebook(c *gin.Context) error {
	raw, err := a.raw(c)
	if err != nil {
		return err
	}
	name := c.Query("name")
	if !utf8.ValidString(name) {
		return badQuery("name", "must be UTF-8")
	}
	file, err := convert.Import(c.GetHeader("Content-Type"), raw, name)
	if err != nil {
		return err
	}
	n := session.NewNotebook{Name: file.Name, Mode: file.Mode}
	for _, cell := range file.Cells {
		n.Cells = append(n.Cells, session.NewCell{
			Kind: cell.Kind, Source: cell.Source, Disabled: cell.Disabled, Connection: cell.Connection, Result: cell.Result,
		})
	}
	created, err := a.notebooks.Create(c.Request.Context(), n)
	if err != nil {
		return err
	}
	c.Header("Location", "/api/notebooks/"+created.ID)
	c.Header("ETag", etag(created.Version))
	return respond(c, http.StatusCreated, imported{created, file.Lost})
}
