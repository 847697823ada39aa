/** Differences in words: what rounds to nothing has no direction. */
import { expect, it } from "vitest"
import { shown } from "../../../../../stages/lib/report/drawings/Hero.ts"

it.each([
  ["loss", -0.001, "+0.00\u00a0nats"],
  ["loss", -0.006, "−0.01\u00a0nats"],
  ["loss", -68407801239.17, "−6.8e10\u00a0nats"],
  ["accuracy", -0.0004, "+0.0\u00a0points"],
  ["calibrationError", -0.012, "−1.2\u00a0points"]
] as const)("a %s of %d is %s", (metric, value, words) => expect(shown({ metric }, value)).toBe(words))
