create table note (
  id integer generated always as identity primary key,
  title text not null check (length(title) between 1 and 200),
  body text not null default '',
  created_at timestamptz not null default now()
);
