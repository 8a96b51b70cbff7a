import net from "node:net";
import { once } from "node:events";
import { origin } from "./service.mjs";

/**
 * A network between the browser and the service that a test can take away and
 * give back: it passes bytes from a port of its own to the service's.
 */
export class Line {
  #sockets = new Set();
  #server = this.#make();
  #port = 0;

  /** @returns {Promise<Line>} one that works */
  static async open() {
    const line = new Line();
    await line.mend();
    return line;
  }

  /** Where the browser finds the service through this line. */
  get origin() {
    return `http://${this.host}`;
  }

  get host() {
    return `${new URL(origin).hostname}:${this.#port}`;
  }

  /** Ends all connections and takes no new ones. */
  async cut() {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Takes connections again, at the same address. */
  async mend() {
    this.#server = this.#make();
    this.#server.listen(this.#port, new URL(origin).hostname);
    await once(this.#server, "listening");
    this.#port = this.#server.address().port;
    this.#server.unref(); // a run of other scenarios must not wait for it
  }

  #make() {
    const { hostname, port } = new URL(origin);
    return net.createServer((near) => {
      const far = net.connect(Number(port || 80), hostname);
      for (const [socket, other] of [[near, far], [far, near]]) {
        this.#sockets.add(socket);
        socket.pipe(other);
        socket.on("error", () => other.destroy());
        socket.on("close", () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
    });
  }
}
