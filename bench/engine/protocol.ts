/** What the two sides of the engine benchmark are asked, and what they answer: one line of JSON each. */

export interface Request {
  readonly mode: "train" | "infer" | "profile"
  readonly bn: boolean
  readonly bf16: boolean
  readonly batch: number
  readonly repeats: number
}

export interface Answer {
  /** Per repeat. */
  readonly seconds: ReadonlyArray<number>
  /** Of the process so far. */
  readonly peakBytes: number
  /** Minor page faults per repeat: fresh memory that was touched. */
  readonly faultsPerStep?: number
  readonly phases?: Readonly<Record<string, number>>
  readonly peakFlops?: number
}
