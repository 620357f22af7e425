/** English, for pictures that may be wrong because something was lost on its way from the camera. */
export const impairedWords = {
  "impaired.at": "The picture may be wrong. Packets or pictures lost on their way: {count}",
  "impaired.at_some": "The picture may be wrong: packets were lost on their way",
  "impaired.count": "Stretches where the picture may be wrong: {count}",
  "impaired.what": "Packets were lost between the camera and the recorder. From the last whole picture before a loss to the next key frame, what is shown may be wrong. Check the camera's network, or set its transport to TCP.",
  "impaired.merged": "There are more than can be shown: neighbours are shown as one. Zoom in to see each.",
  "export.impaired": "Stretches of it where the picture may be wrong, because packets were lost on their way to the recorder: {count}.",
};
