import type pg from 'pg';

export interface NoteRow {
  id: number;
  title: string;
  body: string;
  createdAt: Date;
}

export interface Notes {
  isReachable(): Promise<boolean>;
  list(limit: number): Promise<NoteRow[]>;
  find(id: number): Promise<NoteRow | undefined>;
  add(note: { title: string; body: string }): Promise<NoteRow>;
}

const COLUMNS = 'id, title, body, created_at as "createdAt"';

export function openNotes(pool: pg.Pool): Notes {
  return {
    async isReachable() {
      return pool.query('select 1').then(
        () => true,
        () => false,
      );
    },
    async list(limit) {
      const { rows } = await pool.query<NoteRow>(`select ${COLUMNS} from note order by id desc limit $1`, [limit]);
      return rows;
    },
    async find(id) {
      const { rows } = await pool.query<NoteRow>(`select ${COLUMNS} from note where id = $1`, [id]);
      return rows[0];
    },
    async add({ title, body }) {
      const { rows } = await pool.query<NoteRow>(
        `insert into note (title, body) values ($1, $2) returning ${COLUMNS}`,
        [title, body],
      );
      return rows[0]!;
    },
  };
}
