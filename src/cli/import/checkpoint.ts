// How far an import of a file has come, beside the file: a rerun goes on from there. It only ever says what the database keeps; to lose it costs time.

import { createHash } from 'node:crypto';
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { z } from 'zod';

const Checkpoint = z.object({
  version: z.literal(1),
  /** SHA-256 of so many bytes of the file's beginning: another file is not gone on with. */
  headLength: z.int().min(0),
  headDigest: z.string(),
  system: z.string(),
  line: z.int().min(0),
  offset: z.int().min(0),
  created: z.int().min(0),
  unchanged: z.int().min(0),
  refused: z.int().min(0),
  /** How long the report of refusals was. */
  errorsLength: z.int().min(0),
  /** How long the map of ids was; absent when none was asked for. */
  mapLength: z.int().min(0).optional(),
});

/** How far it has come: counts over all the runs. */
export type ImportState = Pick<
  z.infer<typeof Checkpoint>,
  'line' | 'offset' | 'created' | 'unchanged' | 'refused' | 'errorsLength' | 'mapLength'
>;

export const BEGINNING: ImportState = {
  line: 0,
  offset: 0,
  created: 0,
  unchanged: 0,
  refused: 0,
  errorsLength: 0,
};

const MAX_HEAD = 65_536;

/** The checkpoint of one file. */
export type CheckpointFile = {
  /** Where to go on; undefined when there is nothing to go on with. Errors: those of reading the file. */
  load(): Promise<ImportState | undefined>;
  /** Replaces it in one step. */
  save(state: ImportState): Promise<void>;
  remove(): Promise<void>;
};

/** The checkpoint of `file`, read as an export of `system`. */
export function checkpointOf(file: string, system: string): CheckpointFile {
  const path = `${file}.progress`;
  let head: { readonly length: number; readonly digest: string } | undefined;
  return {
    async load() {
      const saved = Checkpoint.safeParse(await readJson(path));
      if (!saved.success) return undefined;
      const { headLength, headDigest, ...state } = saved.data;
      const now = await headOf(file, headLength);
      const isSame = now.length === headLength && now.digest === headDigest && state.system === system;
      return isSame && now.fileSize >= state.offset ? state : undefined;
    },
    async save(state) {
      head ??= await headOf(file, MAX_HEAD);
      const { line, offset, created, unchanged, refused, errorsLength, mapLength } = state;
      const text = JSON.stringify({
        version: 1,
        headLength: head.length,
        headDigest: head.digest,
        system,
        line,
        offset,
        created,
        unchanged,
        refused,
        errorsLength,
        mapLength,
      } satisfies z.infer<typeof Checkpoint>);
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
    },
    async remove() {
      await rm(path, { force: true });
    },
  };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

async function headOf(file: string, length: number) {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const bytes = Buffer.alloc(Math.min(length, size, MAX_HEAD));
    await handle.read(bytes, 0, bytes.length, 0);
    return { length: bytes.length, digest: createHash('sha256').update(bytes).digest('hex'), fileSize: size };
  } finally {
    await handle.close();
  }
}
