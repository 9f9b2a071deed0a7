import { Agent, get } from 'node:http';

/**
 * Asks for something small again and again, over several connections, until its standard input ends:
 * `node latency-client.ts URL CONNECTIONS`. It prints one line of JSON. It waits a little between two requests of a
 * connection, as it is to see what the server adds, and not how much the machine can do.
 */
export interface Latencies {
  readonly count: number;
  readonly medianMs: number;
  readonly p99Ms: number;
}

const pauseMs = 2;

const url = process.argv[2]!;
const connections = Number(process.argv[3]);
const agent = new Agent({ keepAlive: true, maxSockets: connections });
const tookMs: number[] = [];
let isOver = false;
process.stdin.on('end', () => {
  isOver = true;
});
process.stdin.resume();

function ask(): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (answer) => {
      answer.resume();
      answer.on('end', () =>
        answer.statusCode === 200 ? resolve() : reject(new Error(`${url} answered ${answer.statusCode}`)),
      );
      answer.on('error', reject);
    }).on('error', reject);
  });
}

async function askUntilOver(): Promise<void> {
  while (!isOver) {
    const beganAtMs = performance.now();
    await ask();
    tookMs.push(performance.now() - beganAtMs);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

await Promise.all(Array.from({ length: connections }, askUntilOver));
agent.destroy();
tookMs.sort((a, b) => a - b);
const at = (part: number): number => tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * part))] ?? 0;
const latencies: Latencies = { count: tookMs.length, medianMs: at(0.5), p99Ms: at(0.99) };
console.log(JSON.stringify(latencies));
