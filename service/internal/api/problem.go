package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/reactive-notebook/reactive-notebook/service/internal/convert"
	"github.com/reactive-notebook/reactive-notebook/service/internal/events"
	"github.com/reactive-notebook/reactive-notebook/service/internal/notebook"
	"github.com/reactive-notebook/reactive-notebook/service/internal/session"
)

// Problem is an answer that says what went wrong (RFC 9457).
type Problem struct {
	Type   string         `json:"type"`
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail"`
	Errors []FieldProblem `json:"errors,omitempty"`

	header http.Header
}

// FieldProblem is what is wrong with one field of a request.
type FieldProblem struct {
	Field   string `json:"field"` // such as "cells.0.kind"
	Message string `json:"message"`
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

func newProblem(status int, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

func (p *Problem) with(header, value string) *Problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(header, value)
	return p
}

func (p *Problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // it is made of strings and a number
	}
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}

// defaultRetryAfter is said when nobody knows better.
const defaultRetryAfter = 5 // seconds

// problemOf finds the answer that belongs to an error.
func problemOf(err error) *Problem {
	var (
		problem     *Problem
		tooLarge    *http.MaxBytesError
		version     *session.VersionError
		unavailable *session.UnavailableError
		mediaType   *convert.MediaTypeError
		format      *convert.FormatError
	)
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &tooLarge):
		return newProblem(http.StatusRequestEntityTooLarge, "the body is larger than "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes")
	case errors.As(err, &mediaType):
		return newProblem(http.StatusUnsupportedMediaType, mediaType.Error())
	case errors.As(err, &format):
		return newProblem(http.StatusBadRequest, format.Error())
	case errors.Is(err, session.ErrNotFound), errors.Is(err, events.ErrDeleted):
		return newProblem(http.StatusNotFound, session.ErrNotFound.Error())
	case errors.Is(err, session.ErrCellNotFound):
		return newProblem(http.StatusNotFound, session.ErrCellNotFound.Error())
	case errors.As(err, &version):
		current := strconv.FormatInt(version.Current, 10)
		detail := version.Error()
		if version.Given <= 0 {
			detail = "the notebook is at version " + current + ", which is none of those asked for: read it again and repeat the change"
		}
		return newProblem(http.StatusPreconditionFailed, detail).with("ETag", etag(version.Current))
	case errors.Is(err, session.ErrBusy):
		return newProblem(http.StatusConflict, session.ErrBusy.Error())
	case errors.Is(err, session.ErrDraining), errors.Is(err, events.ErrDraining):
		return newProblem(http.StatusServiceUnavailable, session.ErrDraining.Error()).with("Retry-After", "1")
	case errors.As(err, &unavailable):
		seconds := unavailable.RetryAfter
		if seconds <= 0 {
			seconds = defaultRetryAfter
		}
		return newProblem(http.StatusServiceUnavailable, unavailable.Reason).with("Retry-After", strconv.Itoa(seconds))
	case errors.Is(err, context.DeadlineExceeded):
		return newProblem(http.StatusServiceUnavailable, "the request took too long").with("Retry-After", strconv.Itoa(defaultRetryAfter))
	case errors.Is(err, context.Canceled):
		return newProblem(http.StatusRequestTimeout, "the client went away before the answer")
	}
	if fields := fieldErrors(err); len(fields) > 0 {
		p := newProblem(http.StatusUnprocessableEntity, "the request is well-formed, but can't be accepted")
		for _, f := range fields {
			p.Errors = append(p.Errors, FieldProblem{f.Field, f.Message})
		}
		if len(fields) == 1 {
			p.Detail = fields[0].Error()
		}
		return p
	}
	// What went wrong inside is for the log, not for the client.
	return newProblem(http.StatusInternalServerError, "the service failed to answer; its log says why")
}

// fieldErrors finds every FieldError in an error, joined ones too.
func fieldErrors(err error) []*notebook.FieldError {
	switch e := err.(type) {
	case nil:
		return nil
	case *notebook.FieldError:
		return []*notebook.FieldError{e}
	case interface{ Unwrap() []error }:
		var all []*notebook.FieldError
		for _, one := range e.Unwrap() {
			all = append(all, fieldErrors(one)...)
		}
		return all
	}
	return fieldErrors(errors.Unwrap(err))
}
