import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIperf } from './parse-iperf.ts';

// What iperf3 3.12 prints, without the parts that say nothing of the whole.
const measured = `{
	"start":	{ "version": "iperf 3.12" },
	"intervals":	[],
	"end":	{
		"streams":	[],
		"sum_sent":	{ "seconds": 1.000777, "bytes": 2614886400, "bits_per_second": 20902849685.794136, "retransmits": 3 },
		"sum_received":	{ "seconds": 1.000395, "bytes": 2609250304, "bits_per_second": 20865760456.619637 }
	}
}`;

test('what arrived is what counts, in bytes', () => {
  assert.deepEqual(parseIperf(measured), { bytesPerSecond: 20865760456.619637 / 8 });
});

test('why nothing was measured is told in iperf3’s words, without what a terminal would obey', () => {
  const failed = { start: {}, intervals: [], end: {}, error: 'unable to connect to server: \x1b[2JConnection refused' };
  assert.deepEqual(parseIperf(JSON.stringify(failed)), {
    failure: 'unable to connect to server:  [2JConnection refused',
  });
});

test('what is not its report is no figure', () => {
  assert.deepEqual(parseIperf('iperf3: usage'), { failure: 'iperf3 printed no JSON' });
  for (const end of [{}, { sum_received: {} }, { sum_received: { bits_per_second: 0 } }, null]) {
    assert.deepEqual(parseIperf(JSON.stringify({ end })), { failure: 'iperf3 says of nothing that it arrived' });
  }
});
