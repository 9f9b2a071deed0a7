import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { answers, eventually, freePort, type Process, type Processes } from './processes.ts';

/** Where Entrepot works, and what it pulls from. */
export interface EntrepotPlace {
  /** Of the log and the configuration. */
  readonly folder: string;
  readonly data: string;
  readonly originPort: number;
  readonly maxBytes: number;
}

const startLimitMs = 20_000;
const stopLimitMs = 20_000;
const commandLimitMs = 120_000;
const entry = join(import.meta.dirname, '../../../src/cli/main.ts');

/** A real Entrepot, from the checkout, that is killed and started again and again at one address. */
export class Entrepot {
  readonly url: string;
  /** Of the door that is pushed to. */
  readonly hostedUrl: string;
  readonly data: string;
  readonly logFile: string;
  /** The size of its cache. */
  readonly maxBytes: number;
  readonly #config: string;
  readonly #processes: Processes;
  #process: Process | undefined;
  #mayEnd = false;
  /** Told whenever its process has ended by our doing. */
  onEnded: () => void = () => {};

  /** Writes its configuration. */
  static async prepare(place: EntrepotPlace, processes: Processes): Promise<Entrepot> {
    const [port, hostedPort] = [await freePort(), await freePort()];
    const config = join(place.folder, 'entrepot.yaml');
    const configuration = {
      data: place.data,
      builtinUpstreams: false,
      doors: {
        registry: { listen: `127.0.0.1:${port}`, default: 'origin.test' },
        hosted: { listen: `127.0.0.1:${hostedPort}` },
        proxy: { listen: 'none' },
      },
      upstreams: { 'origin.test': { url: `http://127.0.0.1:${place.originPort}` } },
      // Tags are asked for again all the time, and nothing is spared for being new.
      cache: { maxBytes: place.maxBytes, tagTtl: '500ms', grace: '1s', minFreeBytes: '1MB' },
      // Garbage is collected all the time, also what is just being pushed by somebody who was held up.
      hosted: { garbage: { every: '3s', grace: '5s' }, uploads: { maxAge: '20s' } },
      log: { format: 'json' },
      shutdown: { grace: '3s' },
    };
    await writeFile(config, JSON.stringify(configuration)); // JSON is YAML too
    return new Entrepot(place, { port, hostedPort }, config, processes);
  }

  private constructor(
    { folder, data, maxBytes }: EntrepotPlace,
    { port, hostedPort }: { readonly port: number; readonly hostedPort: number },
    config: string,
    processes: Processes,
  ) {
    this.url = `http://127.0.0.1:${port}`;
    this.hostedUrl = `http://127.0.0.1:${hostedPort}`;
    this.data = data;
    this.maxBytes = maxBytes;
    this.logFile = join(folder, 'entrepot.log');
    this.#config = config;
    this.#processes = processes;
  }

  /** Whether it should be running and is not. */
  get hasDied(): boolean {
    return !this.#mayEnd && this.#process?.isRunning === false;
  }

  /** The number of its process. */
  get pid(): number {
    return this.#process!.pid;
  }

  /**
   * Starts it, and waits until it answers. Variables change its configuration for this once.
   * @throws Error when it does not
   */
  async start(variables: Readonly<Record<string, string>> = {}): Promise<void> {
    const started = this.#begin(variables);
    this.#mayEnd = false;
    const ready = await eventually(startLimitMs, async () => !started.isRunning || (await answers(`${this.url}/v2/`)));
    if (ready && started.isRunning) return;
    const how = started.isRunning ? `answers nothing after ${startLimitMs} ms` : `ended with ${await started.ended}`;
    throw new Error(`Entrepot does not start: it ${how}`);
  }

  /** Starts it, and kills it after a while, whether it answers by then or not. */
  async startAndKill(afterMs: number): Promise<void> {
    this.#mayEnd = true;
    this.#begin();
    await delay(afterMs);
    await this.kill();
  }

  /** Kills it as a crash or the system would: it gets to do nothing more. */
  async kill(): Promise<void> {
    this.#mayEnd = true;
    this.#process?.kill('SIGKILL');
    await this.#process?.ended;
    this.onEnded();
  }

  /** Stops it as an operator does, and gives the code that it ended with, or the signal that it took. */
  async stop(): Promise<number | NodeJS.Signals> {
    this.#mayEnd = true;
    const stopped = this.#process!;
    stopped.kill('SIGTERM');
    const limit = setTimeout(() => stopped.kill('SIGKILL'), stopLimitMs);
    const how = await stopped.ended;
    clearTimeout(limit);
    this.onEnded();
    return how;
  }

  #begin(variables: Readonly<Record<string, string>> = {}): Process {
    const command = [process.execPath, entry, 'serve', '--config', this.#config];
    this.#process = this.#processes.start(command, this.logFile, { ...process.env, ...variables });
    return this.#process;
  }

  /** Runs another command of it, beside the server or without one. */
  run(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
    return new Promise((resolve) => {
      const command = [entry, ...args, '--config', this.#config];
      execFile(process.execPath, command, { timeout: commandLimitMs, maxBuffer: 64 * 1024 * 1024 }, (error, out, err) =>
        resolve({
          code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1,
          output: `${out}${err}`,
        }),
      );
    });
  }
}
