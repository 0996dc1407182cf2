"use strict";

// A browser starts no worker for a page that was opened from the disk. The search of the theme takes this one there:
// its script runs in a hidden frame, which has the origin of the page.
if (location.protocol === "file:") {
  class FrameWorker extends EventTarget {
    #running;

    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<!doctype html>";
      this.#running = new Promise((resolve) => {
        frame.onload = () => {
          const inside = frame.contentWindow;
          inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          const script = inside.document.createElement("script");
          script.onload = () => resolve(inside);
          script.src = url;
          inside.document.head.append(script);
        };
      });
      document.body.append(frame);
    }

    async postMessage(data) {
      (await this.#running).dispatchEvent(new MessageEvent("message", { data }));
    }
  }
  // By the second name the theme's script knows that it runs in a frame.
  window.Worker = window.IFrameWorker = FrameWorker;
}
