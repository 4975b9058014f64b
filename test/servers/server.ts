/** A real server that tests run against: found by its address in the environment, else installed and started here. */
export type ServerKind = {
  readonly name: string;
  /** The environment variable with the address of a running one: `TEST_RABBITMQ_URL`. */
  readonly variable: string;
  /** Installs what is missing, where that is allowed; resolves with why the server cannot be had here, if so. */
  prepare(): Promise<string | undefined>;
  /** Starts one on free ports of loopback, with everything it writes below `folder`; resolves once it can be used. */
  start(folder: string): Promise<RunningServer>;
};

export type RunningServer = {
  /** As the client library takes it. */
  readonly address: string;
  /** What was started, to be ended by these ids and nothing else. */
  readonly pids: readonly number[];
};
