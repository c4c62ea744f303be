const RETRY_MS = 1000;
/** ICE often recovers by itself: for how long it may be in doubt before one connects anew. */
const PATIENCE_MS = 3000;

/**
 * Brings a client back whose connection is lost: tries to enter again, every second, until it is in.
 *
 * TCP waits longer and longer before it tries again, so a new connection is there sooner than an old
 * one comes back to life.
 */
export class Returning {
  #enter;
  #isReturning = false;
  #doubts = new Map();

  /** @param {(timeoutMs: number) => Promise<void>} enter connects and joins, or fails */
  constructor(enter) {
    this.#enter = enter;
  }

  /** Come back, unless that is what is being done already. */
  async comeBack() {
    if (this.#isReturning) return;
    this.#isReturning = true;
    this.#forgetDoubts();
    while (this.#isReturning) {
      const nextAtMs = performance.now() + RETRY_MS;
      try {
        await this.#enter(RETRY_MS);
        this.#isReturning = false;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, nextAtMs - performance.now()));
      }
    }
  }

  /** Come back if a transport stays without a connection. */
  watch(transport) {
    transport.on("connectionstatechange", (state) => {
      if (state === "connected") {
        this.forget(transport);
      } else if (["disconnected", "failed"].includes(state) && !this.#doubts.has(transport)) {
        this.#doubts.set(transport, setTimeout(() => this.comeBack(), PATIENCE_MS));
      }
    });
  }

  /** Care no more about a transport. */
  forget(transport) {
    clearTimeout(this.#doubts.get(transport));
    this.#doubts.delete(transport);
  }

  /** Stay away. */
  stop() {
    this.#isReturning = false;
    this.#forgetDoubts();
  }

  #forgetDoubts() {
    for (const timer of this.#doubts.values()) clearTimeout(timer);
    this.#doubts.clear();
  }
}
