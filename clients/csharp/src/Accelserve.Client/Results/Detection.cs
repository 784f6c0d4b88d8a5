namespace Accelserve.Client;

/// <summary>An object in a picture.</summary>
/// <param name="ClassIndex">Its class among the detector's.</param>
/// <param name="Label">The class's name, or <c>class N</c>.</param>
/// <param name="Score">0 to 1.</param>
/// <param name="Box">Where it is.</param>
public readonly record struct Detection(int ClassIndex, string Label, float Score, BoundingBox Box);

/// <summary>A rectangle in a picture, in fractions of its height and width: 0 is top or left, 1 is bottom or right.</summary>
/// <param name="Top">Fraction of the height.</param>
/// <param name="Left">Fraction of the width.</param>
/// <param name="Bottom">Fraction of the height.</param>
/// <param name="Right">Fraction of the width.</param>
public readonly record struct BoundingBox(float Top, float Left, float Bottom, float Right)
{
    /// <summary>The same rectangle in pixels, rounded to the nearest, ties to even.</summary>
    /// <param name="width">Of the picture, pixels.</param>
    /// <param name="height">Of the picture, pixels.</param>
    public PixelBox ToPixels(int width, int height) => new(
        (int)Math.Round((double)Left * width),
        (int)Math.Round((double)Top * height),
        (int)Math.Round((double)Right * width),
        (int)Math.Round((double)Bottom * height));
}

/// <summary>A rectangle in pixels.</summary>
/// <param name="Left">From the left edge.</param>
/// <param name="Top">From the upper edge.</param>
/// <param name="Right">From the left edge.</param>
/// <param name="Bottom">From the upper edge.</param>
public readonly record struct PixelBox(int Left, int Top, int Right, int Bottom);

/// <summary>The outputs of TensorFlow's object detection.</summary>
internal static class DetectionOutputs
{
    private static readonly string[] _names =
        ["detection_boxes", "detection_scores", "detection_classes", "num_detections"];

    public static bool AreIn(Prediction prediction) => Array.TrueForAll(_names, prediction.ContainsKey);

    public static IReadOnlyList<Detection> Read(Prediction prediction, IReadOnlyList<string>? labels, float minScore)
    {
        if (!AreIn(prediction))
        {
            throw new InvalidOperationException(
                $"Detections need the outputs {string.Join(", ", _names)}, got {string.Join(", ", prediction.Keys)}.");
        }

        var boxes = prediction[_names[0]];
        var scores = prediction[_names[1]];
        var classes = prediction[_names[2]];
        var count = prediction[_names[3]];
        if (boxes.Shape is not [var rows, 4] || scores.Count != rows || classes.Count != rows || count.Count != 1)
        {
            throw new InvalidOperationException($"Expected the detections of one picture, got {prediction}.");
        }

        return Read(boxes.ToSingles(), scores.ToSingles(), classes.ToSingles(), (int)count.ToSingles()[0], labels, minScore);
    }

    private static List<Detection> Read(
        float[] boxes, float[] scores, float[] classes, int count, IReadOnlyList<string>? labels, float minScore)
    {
        var found = new List<Detection>();
        for (var row = 0; row < Math.Min(count, scores.Length); row++)
        {
            if (scores[row] >= minScore)
            {
                var index = (int)classes[row];
                var box = new BoundingBox(boxes[4 * row], boxes[(4 * row) + 1], boxes[(4 * row) + 2], boxes[(4 * row) + 3]);
                found.Add(new Detection(index, Classes.LabelOf(index, labels), scores[row], box));
            }
        }

        return found;
    }
}
