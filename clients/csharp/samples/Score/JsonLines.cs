using System.Text;
using System.Text.Json;
using Accelserve.Client;

namespace Score;

/// <summary>An answer as one line of JSON: <c>picture</c>, <c>milliseconds</c>, <c>model</c>, <c>version</c>, and
/// <c>detections</c> or <c>outputs</c>, each with its best classes if it is a vector of scores, else its shape.</summary>
internal static class JsonLines
{
    public static string Of(Answer answer, IReadOnlyList<string> labels, int top, float minScore)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            writer.WriteString("picture", answer.Picture);
            writer.WriteNumber("milliseconds", Math.Round(answer.Milliseconds, 3));
            writer.WriteString("model", answer.Prediction.ModelName);
            if (answer.Prediction.ModelVersion is { } version)
            {
                writer.WriteNumber("version", version);
            }

            if (answer.Prediction.HasDetections)
            {
                WriteDetections(writer, answer.Prediction.Detections(labels, minScore));
            }
            else
            {
                WriteOutputs(writer, answer, labels, top);
            }

            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static void WriteDetections(Utf8JsonWriter writer, IReadOnlyList<Detection> detections)
    {
        writer.WriteStartArray("detections");
        foreach (var each in detections)
        {
            writer.WriteStartObject();
            writer.WriteNumber("class", each.ClassIndex);
            writer.WriteString("label", each.Label);
            writer.WriteNumber("score", each.Score);
            writer.WriteStartArray("box");
            foreach (var edge in (ReadOnlySpan<float>)[each.Box.Top, each.Box.Left, each.Box.Bottom, each.Box.Right])
            {
                writer.WriteNumberValue(edge);
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteOutputs(Utf8JsonWriter writer, Answer answer, IReadOnlyList<string> labels, int top)
    {
        writer.WriteStartObject("outputs");
        foreach (var (name, tensor) in answer.Prediction)
        {
            writer.WriteStartObject(name);
            writer.WriteStartArray("shape");
            foreach (var size in tensor.Shape)
            {
                writer.WriteNumberValue(size);
            }

            writer.WriteEndArray();
            if (answer.HasScores(name, labels))
            {
                WriteBest(writer, answer.Prediction.TopK(top, labels, name));
            }

            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }

    private static void WriteBest(Utf8JsonWriter writer, IReadOnlyList<ClassScore> best)
    {
        writer.WriteStartArray("best");
        foreach (var each in best)
        {
            writer.WriteStartObject();
            writer.WriteNumber("class", each.Index);
            writer.WriteString("label", each.Label);
            writer.WriteNumber("score", each.Score);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }
}
