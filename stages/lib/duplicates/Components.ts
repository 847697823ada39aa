/** Connected parts of a graph, found by joining (union-find). */
export class Components {
  readonly #parent: Int32Array

  /** The graph is on `0 .. count - 1` and begins without edges. */
  constructor(count: number) {
    this.#parent = Int32Array.from({ length: count }, (_, i) => i)
  }

  /** The part that `i` is in, named by its least member. */
  find(i: number): number {
    let root = i
    while (this.#parent[root] !== root) root = this.#parent[root]!
    let at = i
    while (at !== root) {
      const next = this.#parent[at]!
      this.#parent[at] = root
      at = next
    }
    return root
  }

  join(i: number, j: number): void {
    const a = this.find(i)
    const b = this.find(j)
    this.#parent[Math.max(a, b)] = Math.min(a, b)
  }

  /** Parts with more than one member, each in rising order, by their least member. */
  many(): ReadonlyArray<ReadonlyArray<number>> {
    const parts = new Map<number, Array<number>>()
    for (let i = 0; i < this.#parent.length; i++) {
      const root = this.find(i)
      const part = parts.get(root)
      if (part === undefined) parts.set(root, [i])
      else part.push(i)
    }
    return [...parts.values()].filter((part) => part.length > 1)
  }
}
