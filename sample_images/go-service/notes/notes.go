// Package notes keeps notes in memory and serves them as JSON.
package notes

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
)

// Note is a line of text with a number.
type Note struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
}

// Store holds notes; it is safe for use by several goroutines.
type Store struct {
	mu    sync.Mutex
	notes []Note
}

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{notes: []Note{}}
}

// Add stores text and returns the note made of it.
func (s *Store) Add(text string) Note {
	s.mu.Lock()
	defer s.mu.Unlock()
	note := Note{ID: len(s.notes) + 1, Text: text}
	s.notes = append(s.notes, note)
	return note
}

// All returns every note, the oldest first.
func (s *Store) All() []Note {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Note{}, s.notes...)
}

// Handler serves GET /health, GET /notes and POST /notes.
func Handler(store *Store) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("/notes", func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet:
			answer(w, http.StatusOK, store.All())
		case http.MethodPost:
			var note Note
			body := http.MaxBytesReader(w, r.Body, 64<<10)
			if err := json.NewDecoder(body).Decode(&note); err != nil || strings.TrimSpace(note.Text) == "" {
				answer(w, http.StatusBadRequest, map[string]string{"error": "text is missing"})
				return
			}
			answer(w, http.StatusCreated, store.Add(strings.TrimSpace(note.Text)))
		default:
			w.Header().Set("Allow", "GET, POST")
			answer(w, http.StatusMethodNotAllowed, map[string]string{"error": "method not allowed"})
		}
	})
	return mux
}

func answer(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}
