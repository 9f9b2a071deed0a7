import type { ClientName } from './clients/client-setup.ts';

/** A request, as a client would make it. */
export interface Question {
  readonly method?: 'GET' | 'HEAD';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Files of authorities that count beside the system's. */
  readonly authorities?: readonly string[];
  readonly isUnchecked?: boolean;
  readonly proxy?: string | undefined;
}

/** What came of a request: an answer, or why there is none. */
export type Answer =
  | { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }
  | { readonly status: undefined; readonly code: string; readonly message: string };

/** What the tool of a client made of a pull. */
export interface ToolResult {
  /** The command; undefined when there is no tool that could be run. */
  readonly command: string | undefined;
  readonly said: string;
}

/** What is done to find out. */
export interface DoctorTools {
  ask(question: Question): Promise<Answer>;
  /** Makes the client's own tool pull an image; undefined when no tool is to be run. */
  pull?(client: ClientName, image: string): Promise<ToolResult>;
  nowMs(): number;
  probeTag?(): string;
}
