import { z } from 'zod';

export const NewNote = z.object({
  title: z.string().trim().min(1).max(200),
  body: z.string().max(10_000).default(''),
});
export type NewNote = z.infer<typeof NewNote>;

export const Note = NewNote.extend({
  id: z.number().int().positive(),
  createdAt: z.coerce.date(),
});
export type Note = z.infer<typeof Note>;
