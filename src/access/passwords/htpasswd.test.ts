import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { compareSync } from 'bcryptjs';
import { tmpDir } from '../../../test/support/disk/tmp.ts';
import { parseHtpasswd } from './htpasswd.ts';

const alice = '$2y$05$0N6/x.QM7pTnLcPNSdpPaOVmdbcvnbHLc.JrQs8l7JMBT2zLAY0MK';
const bob = '$2b$10$GTEmgni4k1nwtu0A0BpDG.MEzo3BbPknsMRQPwGKdrKzVXJ7JNcGu';

test('each line has a name and a bcrypt hash; comments, empty lines and the ends of lines do not count', () => {
  const text = `\uFEFF# people\n\nalice:${alice}\r\n  \n # more\nbób:${bob}  \nold:${bob.replace('$2b', '$2a')}`;
  assert.deepEqual(
    [...parseHtpasswd(text)],
    [
      ['alice', alice],
      ['bób', bob],
      ['old', bob.replace('$2b', '$2a')],
    ],
  );
  assert.equal(parseHtpasswd('').size, 0);
});

describe('a line that cannot be used is told by its number and by what is wrong', () => {
  const rows: readonly (readonly [line: string, what: RegExp])[] = [
    ['alice', /^line 2: it is not of the form name:hash$/],
    [`:${alice}`, /^line 2: it is not of the form name:hash$/],
    ['alice:', /^line 2: what follows the name is no bcrypt hash; htpasswd -B/],
    ['alice:swordfish', /^line 2: what follows the name is no bcrypt hash/],
    ['alice:$apr1$Kq5lpJ8L$TnwvSHgDWcK6D8P.hDZQE1', /^line 2: its hash is MD5 \(apr1\), and only bcrypt is taken/],
    ['alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', /^line 2: its hash is SHA-1,/],
    ['alice:$5$LvVfyr$abc', /^line 2: its hash is SHA-256,/],
    ['alice:$6$LvVfyr$abc', /^line 2: its hash is SHA-512,/],
    ['alice:$argon2id$v=19$m=1,t=1,p=1$c2Fs$aGFzaA', /^line 2: its hash is Argon2,/],
    [`alice:${alice.replace('$2y', '$2x')}`, /^line 2: its hash is bcrypt of a form that is not known,/],
    [`alice:${alice.slice(0, -1)}`, /^line 2: its hash is bcrypt of a form that is not known,/],
    [`alice:${alice}:more`, /^line 2: its hash is bcrypt of a form that is not known,/],
    [`alice:${alice.replace('$05$', '$03$')}`, /^line 2: its bcrypt cost is 3, which is none of 4 to 14$/],
    [`alice:${alice.replace('$05$', '$31$')}`, /^line 2: its bcrypt cost is 31,/],
    [`first:${alice}`, /^line 2: it has the same user as line 1$/],
    [`anonymous:${alice}`, /^line 2: "anonymous" cannot be the name of a user/],
    [`authenticated:${alice}`, /^line 2: "authenticated" cannot be the name of a user/],
    [`${'x'.repeat(256)}:${alice}`, /^line 2: its name is longer than 255 characters$/],
  ];
  for (const [line, what] of rows) {
    test(line.slice(0, 60), () => {
      const error = thrownBy(() => parseHtpasswd(`first:${bob}\n${line}\n`));
      assert.match(error.message, what);
      for (const secret of [alice, bob, 'swordfish', 'TnwvSHgDWcK6D8P', 'W6ph5Mm5Pz8GgiULbPgzG37mj9g', 'aGFzaA']) {
        assert.ok(!error.message.includes(secret));
      }
    });
  }
});

test('all wrong lines are told together, of many the first five', () => {
  const three = thrownBy(() => parseHtpasswd(`a\nb:${bob}\nb:${bob}\nc:x\n`)).message.split('; ');
  assert.deepEqual(
    three.filter((part) => part.startsWith('line ')).map((part) => part.slice(0, 6)),
    ['line 1', 'line 3', 'line 4'],
  );
  assert.match(thrownBy(() => parseHtpasswd('a\n'.repeat(8))).message, /line 5: [^;]*; and 3 more$/);
});

test('a file that htpasswd of Apache wrote is taken, and its passwords are right', (t) => {
  const path = join(tmpDir(t), 'htpasswd');
  try {
    execFileSync('htpasswd', ['-cbB', path, 'alice', 'correct horse'], { stdio: 'ignore' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return t.diagnostic('there is no htpasswd on this machine');
    throw error;
  }
  execFileSync('htpasswd', ['-bB', '-C', '10', path, 'bób', 'pässwörd'], { stdio: 'ignore' });
  const users = parseHtpasswd(readFileSync(path, 'utf8'));
  assert.ok(compareSync('correct horse', users.get('alice') ?? ''));
  assert.ok(compareSync('pässwörd', users.get('bób') ?? ''));
  assert.ok(!compareSync('correct horse', users.get('bób') ?? ''));
});

function thrownBy(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new assert.AssertionError({ message: 'it throws' });
}
