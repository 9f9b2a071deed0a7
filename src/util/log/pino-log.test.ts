import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

const moduleUrl = new URL('./pino-log.ts', import.meta.url).href;

/** What a process that runs this script writes to its standard output until it ends. */
async function outputOf(script: string, options: string): Promise<string> {
  const code = `import { openPinoLog } from ${JSON.stringify(moduleUrl)};
    const { log, flush } = await openPinoLog(${options});
    ${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const output = (await child.stdout.toArray()).join('');
  assert.deepEqual(await exited, [0, null]);
  return output;
}

function linesOf(output: string): Record<string, unknown>[] {
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

const json = `{ level: 'info', format: 'json' }`;

test('openPinoLog() writes each event as one line of JSON: the level by name, a time, the event and its facts', async () => {
  const output = await outputOf(
    `log.info({ registry: 'docker.io', bytes: 5, text: 'two\\nlines "quoted" ü' }, 'blob stored');
     log.warn({}, 'registry unknown');
     log.error({ reason: 'full' }, 'blob cannot be stored');
     flush();`,
    json,
  );
  const lines = linesOf(output);
  assert.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [
      ['info', 'blob stored'],
      ['warn', 'registry unknown'],
      ['error', 'blob cannot be stored'],
    ],
  );
  const { time, ...first } = lines[0] ?? {};
  assert.deepEqual(first, {
    level: 'info',
    registry: 'docker.io',
    bytes: 5,
    text: 'two\nlines "quoted" ü',
    msg: 'blob stored',
  });
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test('openPinoLog() writes nothing below its level, and nothing at all when it is silent', async () => {
  const script = `log.debug({}, 'd'); log.info({}, 'i'); log.warn({}, 'w'); log.error({}, 'e'); flush();`;
  const eventsAt = async (level: string) =>
    linesOf(await outputOf(script, `{ level: '${level}', format: 'json' }`)).map(({ msg }) => msg);
  assert.deepEqual(await eventsAt('debug'), ['d', 'i', 'w', 'e']);
  assert.deepEqual(await eventsAt('warn'), ['w', 'e']);
  assert.deepEqual(await eventsAt('silent'), []);
});

test('openPinoLog() loses nothing of many events when it is flushed before the process is ended', async () => {
  const output = await outputOf(
    `for (let index = 0; index < 20000; index++) log.info({ index }, 'request');
     flush();
     process.exit(0);`,
    json,
  );
  assert.deepEqual(
    linesOf(output).map(({ index }) => index),
    Array.from({ length: 20_000 }, (_, index) => index),
  );
});

test('openPinoLog() writes an error under err with its stack and what caused it', async () => {
  const output = await outputOf(
    `log.error({ err: new TypeError('outer', { cause: new Error('inner') }) }, 'request'); flush();`,
    json,
  );
  const { err } = linesOf(output)[0] as { err: { type: string; message: string; stack: string } };
  assert.equal(err.type, 'TypeError');
  assert.match(err.message, /outer/);
  assert.match(err.stack, /TypeError: outer\n +at .*inner/s);
});

test('openPinoLog() writes for people when it is asked to, and JSON to what is no terminal when it is not', async () => {
  const script = `log.info({ registry: 'docker.io' }, 'blob stored'); flush();`;
  const pretty = await outputOf(script, `{ level: 'info', format: 'pretty' }`);
  assert.match(pretty, /INFO.*: blob stored \{"registry":"docker\.io"\}\n/);
  assert.ok(!pretty.includes('\u001b['), 'no colours where there is no terminal');
  assert.equal(linesOf(await outputOf(script, `{ level: 'info', format: 'auto' }`)).length, 1);
});

test('openPinoLog() writes nothing for people that a terminal obeys, or that looks like a line of its own', async () => {
  const output = await outputOf(
    `const sent = '\\x1b[2J\\r\\n[12:00:00.000] INFO: fake';
     log.warn({ name: sent, text: sent }, 'registry unknown');
     log.error({ err: new Error(sent, { cause: new Error(sent) }) }, 'request');`,
    `{ level: 'info', format: 'pretty' }`,
  );
  assert.doesNotMatch(output, /[^\P{Cc}\n\t]/u);
  assert.equal(output.match(/^\[/gm)?.length, 2, output);
  assert.ok(output.match(/\\u001b\[2J/g)!.length >= 4, output);
});

test('openPinoLog() does not fail the process whose standard output has gone', async () => {
  const code = `import { openPinoLog } from ${JSON.stringify(moduleUrl)};
    const { log, flush } = await openPinoLog(${json});
    process.stdin.once('data', () => {
      log.info({ filler: 'x'.repeat(100000) }, 'request');
      flush();
      process.exit(0);
    });
    process.stderr.write('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: ['pipe', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const [first] = (await once(child.stderr, 'data')) as [Buffer];
  assert.equal(first.toString(), 'ready');
  child.stdout.destroy();
  await once(child.stdout, 'close');
  child.stdin.write('now');
  const complaints = (await child.stderr.toArray()).join('');
  assert.deepEqual(await exited, [0, null], complaints);
});
