/**
 * Output activations against the golden values of the study's example, against laws, and against slow references.
 */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  type Activation,
  activationNames,
  activations,
  jacobianProduct
} from "../../../schemas/activations/Activations.ts"
import { sparsemaxThreshold } from "../../../schemas/activations/Sparsemax.ts"
import { ActivationName } from "../../../schemas/Compare.ts"

const names = [
  "Ace",
  "Akainu",
  "Brook",
  "Chopper",
  "Crocodile",
  "Franky",
  "Jinbei",
  "Kurohige",
  "Law",
  "Luffy",
  "Mihawk",
  "Nami",
  "Rayleigh",
  "Robin",
  "Sanji",
  "Shanks",
  "Usopp",
  "Zoro"
]
/** Logits of the study's example image, a drawing of Sanji. */
const sanji = [
  -2.085, -3.0753, -8.3504, -0.7954, 1.0111, -6.6878, -8.6665, -9.4827, -3.4167, -2.2512, -3.6292, -3.4578, 2.0929,
  -4.2941, 3.8524, -2.6056, -3.6298, -2.1692
]
const of = (p: Float64Array, name: string): number => p[names.indexOf(name)]!

describe("the study's example", () => {
  it.each([
    ["softmax", activations.softmax.apply, 1e-6],
    ["softmax-classic", activations["softmax-classic"].apply, 1e-6]
  ] as const)("%s", (_, activation, epsilon) => {
    const p = activation(sanji)
    const golden = { Sanji: 0.798257, Rayleigh: 0.137405, Crocodile: 0.046578, Chopper: 0.007649, Ace: 0.002107 }
    for (const [name, value] of Object.entries(golden)) expect(Math.abs(of(p, name) - value)).toBeLessThan(epsilon)
  })

  it("sparsemax gives Sanji all, and the others exactly nothing", () => {
    const p = activations.sparsemax.apply(sanji)
    // 1 up to the rounding of one subtraction of doubles
    expect(Math.abs(of(p, "Sanji") - 1)).toBeLessThan(1e-15)
    for (const name of names) if (name !== "Sanji") expect(of(p, name)).toBe(0)
    expect(sparsemaxThreshold(sanji)).toBeCloseTo(2.8524, 10)
  })

  it("entmax15", () => {
    const p = activations.entmax15.apply(sanji)
    expect(Math.abs(of(p, "Sanji") - 0.987059)).toBeLessThan(1e-6)
    expect(Math.abs(of(p, "Rayleigh") - 0.012941)).toBeLessThan(1e-6)
    for (const name of names) if (name !== "Sanji" && name !== "Rayleigh") expect(of(p, name)).toBe(0)
  })
})

describe("overflow", () => {
  it("the classic form breaks above 88.72, the shifted one does not", () => {
    expect(Array.from(activations["softmax-classic"].apply([88, 0])).every(Number.isFinite)).toBe(true)
    expect(Array.from(activations["softmax-classic"].apply([89, 0])).some(Number.isNaN)).toBe(true)
    expect(Array.from(activations.softmax.apply([1e6, 0, -1e6]))).toEqual([1, 0, 0])
  })
})

const row = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 1, maxLength: 24 })

/** tau by bisection on sum of max(0, f(z) - tau) powers = 1. */
const byBisection = (logits: ReadonlyArray<number>, halve: boolean): Float64Array => {
  const z = logits.map((value) => (halve ? value / 2 : value))
  const p = (tau: number) => z.map((value) => Math.max(0, value - tau) ** (halve ? 2 : 1))
  let low = Math.max(...z) - 1
  let high = Math.max(...z)
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2
    if (p(middle).reduce((a, b) => a + b, 0) > 1) low = middle
    else high = middle
  }
  return Float64Array.from(p(low))
}

const slow: Readonly<Record<string, Activation>> = {
  softmax: (logits) => {
    const z = Array.from(logits)
    return Float64Array.from(z, (a) => 1 / z.reduce((sum, b) => sum + Math.exp(b - a), 0))
  },
  sparsemax: (logits) => byBisection(Array.from(logits), false),
  entmax15: (logits) => byBisection(Array.from(logits), true)
}

describe.each(activationNames)("%s", (name) => {
  const { apply: activation, overflows = false } = activations[name]
  // float32 arithmetic, 24 terms
  const epsilon = overflows ? 1e-6 : 1e-12

  it("is a point of the simplex", () => {
    fc.assert(
      fc.property(row, (logits) => {
        const p = activation(logits)
        expect(Math.abs(p.reduce((a, b) => a + b, 0) - 1)).toBeLessThan(epsilon)
        expect(p.every((value) => value >= 0 && value <= 1 + epsilon)).toBe(true)
      })
    )
  })

  it("keeps the order", () => {
    fc.assert(
      fc.property(row, (logits) => {
        const p = activation(logits)
        for (let i = 0; i < p.length; i++) {
          for (let j = 0; j < p.length; j++) if (logits[i]! > logits[j]!) expect(p[i]!).toBeGreaterThanOrEqual(p[j]!)
        }
      })
    )
  })

  it("does not change when all logits move together", () => {
    fc.assert(
      fc.property(row, fc.double({ min: -50, max: 50, noNaN: true }), (logits, by) => {
        const p = activation(logits)
        const q = activation(logits.map((z) => z + by))
        // the classic form rounds its logits to float32 first
        const tolerance = overflows ? 1e-4 : 1e-10
        for (let i = 0; i < p.length; i++) expect(Math.abs(p[i]! - q[i]!)).toBeLessThan(tolerance)
      })
    )
  })

  it.skipIf(slow[name] === undefined)("agrees with a slow reference", () => {
    fc.assert(
      fc.property(row, (logits) => {
        const p = activation(logits)
        const q = slow[name]!(logits)
        for (let i = 0; i < p.length; i++) expect(Math.abs(p[i]! - q[i]!)).toBeLessThan(1e-9)
      })
    )
  })

  it.skipIf(overflows)("has the stated Jacobian", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 2, maxLength: 8 }),
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 8, maxLength: 8 }),
        (logits, direction) => {
          const h = 1e-6
          const p = activation(logits)
          const forward = activation(logits.map((z, i) => z + h * direction[i]!))
          const backward = activation(logits.map((z, i) => z - h * direction[i]!))
          const support = (q: Float64Array): string => Array.from(q, (value) => (value > 0 ? 1 : 0)).join("")
          // where the support changes there is no derivative
          fc.pre(support(forward) === support(backward) && support(p) === support(forward))
          const product = jacobianProduct(name, p, direction)
          for (let i = 0; i < p.length; i++) {
            expect(Math.abs(product[i]! - (forward[i]! - backward[i]!) / (2 * h))).toBeLessThan(1e-5)
          }
        }
      )
    )
  })
})

describe("sparsity", () => {
  it("a lead of 1 is enough for sparsemax to give all to one class, of 2 for entmax15", () => {
    fc.assert(
      fc.property(row, fc.double({ min: 0, max: 5, noNaN: true }), (logits, more) => {
        const top = Math.max(...logits)
        // a hair more than 1 and 2, for the rounding of top + 1
        const sparse = activations.sparsemax.apply([...logits, top + 1 + more + 1e-9])
        expect(sparse.filter((value) => value > 0).length).toBe(1)
        const ent = activations.entmax15.apply([...logits, top + 2 + more + 1e-9])
        expect(ent.filter((value) => value > 0).length).toBe(1)
      })
    )
  })
})

it("the parameter takes what the table has, each with a sentence", () => {
  expect(ActivationName.literals).toEqual(activationNames)
  for (const name of activationNames) expect(activations[name].about).not.toBe("")
})
