// What a request changes of an account, by its update mask (AIP-134).

import type { FieldMask } from '@bufbuild/protobuf/wkt';
import type { ProfileChange } from '../../domain/account/profile-store.ts';
import type { User } from '../../../gen/latchkey/v1/user_pb.ts';
import type { RequestReader } from './decode.ts';

const MAX_PATHS = 100;
const MAX_PATH_LENGTH = 100;

/** Which of the fields that may be set the request sets. */
export type Mask = {
  /** Whether the field is set: the mask names it, or, without one, its value is not empty. */
  sets(path: string, value: string): boolean;
  /** Whether the mask names the field. */
  names(path: string): boolean;
};

/** The mask, `*` standing for all that is `mutable`; every other field of an account is the server's to set: a mask that names one is refused. */
export function readMask(
  reader: RequestReader,
  mask: FieldMask | undefined,
  mutable: readonly string[],
): Mask {
  const given = mask?.paths ?? [];
  if (given.length > MAX_PATHS) reader.add('update_mask', `must have at most ${MAX_PATHS} paths`);
  else for (const path of given) requireMutable(reader, path, mutable);
  const paths = given.includes('*') ? mutable : given;
  return {
    sets: (path, value) => (paths.length === 0 ? value !== '' : paths.includes(path)),
    names: (path) => paths.includes(path),
  };
}

/** The changes of what people may change of themselves. */
export function readProfileChanges(
  reader: RequestReader,
  user: Pick<User, 'username' | 'fullName'> | undefined,
  mask: Mask,
): ProfileChange[] {
  const { username = '', fullName = '' } = user ?? {};
  const name = fullName.trim();
  const changes: ProfileChange[] = [];
  if (mask.sets('username', username)) {
    changes.push({ field: 'username', username: reader.optionalUsername('user.username', username) });
  }
  if (mask.sets('full_name', name)) {
    const rule = { field: 'user.full_name', min: 1, max: 200, name: true };
    changes.push({ field: 'full_name', fullName: reader.text(name, rule) });
  }
  return changes;
}

function requireMutable(reader: RequestReader, path: string, mutable: readonly string[]): void {
  if (path === '*' || mutable.includes(path)) return;
  const shown =
    path.length <= MAX_PATH_LENGTH && /^[\x20-\x7E]+$/.test(path) ? `"${path}"` : 'something else';
  reader.add('update_mask', `must name ${mutable.join(', ')} or *, and not ${shown}`);
}
