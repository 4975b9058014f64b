/** What an instance has used and uses: for the class `hpa`, and for metering. */
export type Usage = {
  /** CPU time of all its processes since they began, those that have ended within it included; never goes back. */
  readonly cpuSeconds: number;
  /** Its share of the memory in RAM, now: what processes share is divided among them. */
  readonly memoryBytes: number;
};
