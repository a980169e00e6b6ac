// Time: it stands or runs at a speed, and tells who asks to be told.

export class Clock {
  #last = 0;

  constructor(end_s, onTick, onChange) {
    Object.assign(this, { end_s, onTick, onChange, t: 0, speed: 1, runs: false });
  }

  seek(t) {
    this.t = Math.max(0, Math.min(this.end_s, t));
    this.onTick();
  }

  play() {
    if (this.runs) return;
    if (this.t >= this.end_s) this.t = 0;
    this.runs = true;
    this.#last = performance.now();
    requestAnimationFrame((now) => this.#step(now));
    this.onChange();
  }

  pause() {
    this.runs = false;
    this.onChange();
  }

  toggle() {
    if (this.runs) this.pause();
    else this.play();
  }

  #step(now) {
    if (!this.runs) return;
    const passed_s = Math.min(0.25, Math.max(0, now - this.#last) / 1000); // a tab that slept goes on where it was
    this.#last = now;
    this.seek(this.t + this.speed * passed_s);
    if (this.t >= this.end_s) this.pause();
    else requestAnimationFrame((next) => this.#step(next));
  }
}
