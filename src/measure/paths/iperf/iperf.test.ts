import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProgramCall, RunProgram } from '../../../util/system/run-program.ts';
import { measureByIperf } from './iperf.ts';

const patient = new AbortController().signal;
const report = (bitsPerSecond: number) => JSON.stringify({ end: { sum_received: { bits_per_second: bitsPerSecond } } });

function setUp(outputs: (string | Error)[]) {
  const calls: ProgramCall[] = [];
  const run: RunProgram = async (call) => {
    calls.push(call);
    const output = outputs.shift() ?? '';
    if (output instanceof Error) throw output;
    return { exitCode: 0, output };
  };
  return { calls, options: { host: 'cache.test', port: 5201, seconds: 3, run, env: { PATH: '/bin' } } };
}

test('a path is measured by one connection, by four, and by four the other way', async () => {
  const { calls, options } = setUp([report(800), report(1600), report(2400)]);
  const { by, figures, notes } = await measureByIperf(options, patient);
  assert.deepEqual([by, notes], ['iperf3', []]);
  assert.deepEqual(
    figures.map(({ shape, result }) => [shape.name, result]),
    [
      ['single', { bytesPerSecond: 100 }],
      ['parallel', { bytesPerSecond: 200 }],
      ['reverse', { bytesPerSecond: 300 }],
    ],
  );
  const common = '--client cache.test --port 5201 --json --time 3 --connect-timeout 3000';
  assert.deepEqual(
    calls.map(({ program, args, env }) => [program, args.join(' '), env]),
    [
      ['iperf3', common, options.env],
      ['iperf3', `${common} --parallel 4`, options.env],
      ['iperf3', `${common} --reverse --parallel 4`, options.env],
    ],
  );
});

test('iperf3 that is not here, or not there, is said and not tried again', async () => {
  const cases: [string | Error, string][] = [
    [new Error('it cannot be started (ENOENT)'), 'iperf3 does not measure: it is not on this machine'],
    [new Error('it did not end within 18000 ms'), 'iperf3 does not measure: it did not end within 18000 ms'],
    ['{"error": "unable to connect"}', 'iperf3 does not measure: unable to connect'],
  ];
  for (const [output, note] of cases) {
    const { calls, options } = setUp([output]);
    assert.deepEqual(await measureByIperf(options, patient), { by: undefined, figures: [], notes: [note] });
    assert.equal(calls.length, 1);
  }
});

test('one measurement that fails after others is a failure of its own', async () => {
  const { options } = setUp([report(800), '{"error": "the server is busy"}', report(800)]);
  const { figures } = await measureByIperf(options, patient);
  assert.deepEqual(figures[1]?.result, { failure: 'the server is busy' });
  assert.deepEqual(figures[2]?.result, { bytesPerSecond: 100 });
});

test('a signal that fires ends it with what was measured until then', async () => {
  const stopping = new AbortController();
  const { options, calls } = setUp([report(800), new Error('it was ended by SIGTERM')]);
  const run: RunProgram = (call, signal) => {
    if (calls.length === 1) stopping.abort(new Error('gone'));
    return options.run(call, signal);
  };
  const { by, figures } = await measureByIperf({ ...options, run }, stopping.signal);
  assert.deepEqual([by, figures.map(({ result }) => result)], ['iperf3', [{ bytesPerSecond: 100 }]]);
});

test('a signal that fires before anything is measured ends it with its reason', async () => {
  const stopping = new AbortController();
  const { options } = setUp([]);
  const run: RunProgram = async () => {
    stopping.abort(new Error('gone'));
    throw new Error('it was ended by SIGTERM');
  };
  await assert.rejects(measureByIperf({ ...options, run }, stopping.signal), { message: 'gone' });
});
