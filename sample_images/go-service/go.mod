module antone.example/notes

go 1.19
