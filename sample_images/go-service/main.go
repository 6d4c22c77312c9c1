// Command service keeps notes in memory and serves them over HTTP.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"antone.example/notes/notes"
)

const address = ":8080"

func main() {
	check := flag.Bool("healthcheck", false, "ask the running service whether it is well, and exit")
	flag.Parse()
	if *check {
		os.Exit(healthcheck("http://127.0.0.1" + address + "/health"))
	}
	server := &http.Server{Addr: address, Handler: notes.Handler(notes.NewStore()), ReadHeaderTimeout: 5 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		deadline, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(deadline)
	}()
	log.Printf("listening on %s", address)
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		log.Fatal(err)
	}
}

// healthcheck is the program's own client: an image without a shell has no curl either.
func healthcheck(url string) int {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return 1
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 1
	}
	return 0
}
