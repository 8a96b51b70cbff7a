package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/gorilla/websocket"
)

// bodiesAlone begins the addresses where the floor leaves out the headers.
const bodiesAlone = "/alone"

// given is an answer that the floor is to give.
type given struct {
	Header map[string]string
	Body   []byte
}

// floor is the least that Go can do for the same answers: Gin that serves bytes
// that it was given, gorilla with prepared messages and a writer for each
// client. Nothing is read, decoded, checked or kept.
func floor(addr string) error {
	var answers struct{ List, Read given }
	if err := json.NewDecoder(os.Stdin).Decode(&answers); err != nil {
		return err
	}
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.GET("/health", func(c *gin.Context) { c.Status(http.StatusOK) })
	for path, answer := range map[string]given{"/api/notebooks": answers.List, "/api/notebooks/:id": answers.Read} {
		alone := func(c *gin.Context) { c.Data(http.StatusOK, "application/json", answer.Body) }
		e.GET(bodiesAlone+path, alone)
		e.GET(path, func(c *gin.Context) {
			for name, value := range answer.Header {
				c.Header(name, value)
			}
			alone(c)
		})
	}
	h := hub{clients: map[*client]struct{}{}}
	e.GET("/api/ws/notebooks/:id", h.connect)
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return http.Serve(listener, e)
}

type client struct {
	conn *websocket.Conn
	send chan *websocket.PreparedMessage
}

type hub struct {
	mu      sync.Mutex
	clients map[*client]struct{}
	pool    sync.Pool
}

func (h *hub) connect(c *gin.Context) {
	upgrader := websocket.Upgrader{ReadBufferSize: 512, WriteBufferSize: 512, WriteBufferPool: &h.pool}
	conn, err := upgrader.Upgrade(c.Writer, c.Request, nil)
	if err != nil {
		return
	}
	one := &client{conn, make(chan *websocket.PreparedMessage, 64)}
	h.mu.Lock()
	h.clients[one] = struct{}{}
	h.mu.Unlock()
	go func() {
		for message := range one.send {
			if conn.WritePreparedMessage(message) != nil {
				_ = conn.Close()
			}
		}
	}()
	go func() {
		defer func() {
			h.mu.Lock()
			delete(h.clients, one)
			h.mu.Unlock()
			close(one.send)
			_ = conn.Close()
		}()
		for {
			var wanted struct {
				Events int
				Text   string
			}
			if conn.ReadJSON(&wanted) != nil {
				return
			}
			for range wanted.Events {
				if h.broadcast(wanted.Text) != nil {
					return
				}
			}
		}
	}()
}

func (h *hub) broadcast(text string) error {
	message, err := websocket.NewPreparedMessage(websocket.TextMessage, []byte(text))
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for one := range h.clients {
		one.send <- message
	}
	return nil
}
