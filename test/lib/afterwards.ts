/** What vitest does when all test files are through: what they shared (packed.ts) goes. */
import { rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"

export const teardown = (): void =>
  rmSync(path.join(tmpdir(), `op-pipe-packed-${process.pid}`), { recursive: true, force: true, maxRetries: 3 })
