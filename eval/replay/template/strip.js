// Jobs under way over the whole episode, a line a policy, and when something was down: where to look.

import { jobsAt } from "./moments.js";

const HEIGHT = 44, STEPS = 600;

export class Strip {
  constructor(film, canvas, onSeek) {
    this.film = film;
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.counts = film.takes.map((take) => Array.from({ length: STEPS + 1 }, (_, k) => jobsAt(take, k / STEPS * film.end_s).length));
    const seek = (event) => onSeek(film.end_s * (event.clientX - canvas.getBoundingClientRect().left) / canvas.clientWidth);
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      seek(event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && seek(event));
  }

  resize(colours) {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    this.width = this.canvas.clientWidth;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = HEIGHT * ratio;
    this.picture = document.createElement("canvas");
    this.picture.width = this.canvas.width;
    this.picture.height = this.canvas.height;
    this.ratio = ratio;
    this.colours = colours;
    const pen = this.picture.getContext("2d");
    pen.scale(ratio, ratio);
    this.#drawOutages(pen);
    this.counts.forEach((counts, k) => this.#drawCounts(pen, counts, colours.policies[k % colours.policies.length]));
    pen.fillStyle = colours.soft;
    pen.font = "10px system-ui, sans-serif";
    pen.fillText(`jobs under way, up to ${Math.max(...this.counts.flat())}`, 4, 10);
  }

  #drawOutages(pen) {
    const { start_s, end_s } = this.film.takes[0].outages, perSecond = this.width / this.film.end_s;
    pen.fillStyle = this.colours.down;
    pen.globalAlpha = 0.3; // of several together it is stronger
    for (let k = 0; k < start_s.length; k++) pen.fillRect(start_s[k] * perSecond, HEIGHT - 4, Math.max(1, (end_s[k] - start_s[k]) * perSecond), 4);
    pen.globalAlpha = 1;
  }

  #drawCounts(pen, counts, colour) {
    const most = Math.max(1, ...this.counts.flat());
    pen.beginPath();
    pen.moveTo(0, HEIGHT - 3);
    counts.forEach((count, k) => pen.lineTo(k / STEPS * this.width, HEIGHT - 4 - (HEIGHT - 16) * count / most));
    pen.lineTo(this.width, HEIGHT - 3);
    pen.fillStyle = pen.strokeStyle = colour;
    pen.globalAlpha = 0.15;
    pen.fill();
    pen.globalAlpha = 1;
    pen.lineWidth = 1.3;
    pen.stroke();
  }

  draw(t) {
    if (!this.picture) return;
    const { pen, canvas, ratio } = this;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(this.picture, 0, 0);
    pen.fillStyle = this.colours.ink;
    pen.fillRect(Math.round(t / this.film.end_s * canvas.width) - ratio, 0, 2 * ratio, canvas.height);
  }
}
