/**
 * Hides where the canvas takes its fonts from: this server alone. Imported before Excalidraw.
 *
 * Excalidraw names a CDN as the second source of each face, which the content security policy refuses, loudly, for
 * each of some 230 faces: that source is taken out. Xiaolai, a hand-drawn Chinese face of 13 MB, is not shipped:
 * Chinese text shows in the system's own.
 */
(window as unknown as Record<string, unknown>).EXCALIDRAW_ASSET_PATH = `${import.meta.env.BASE_URL}excalidraw/`;

const CDN_SOURCE = /,\s*url\(https:\/\/esm\.sh\/[^)]*\)[^,]*/g;

window.FontFace = class extends FontFace {
  constructor(family: string, source: string | BufferSource, descriptors?: FontFaceDescriptors) {
    super(family, typeof source === "string" ? source.replace(CDN_SOURCE, "") : source, descriptors);
  }
};

const add = document.fonts.add.bind(document.fonts);
document.fonts.add = (face) => (face.family.includes("Xiaolai") ? document.fonts : add(face));

export {};
