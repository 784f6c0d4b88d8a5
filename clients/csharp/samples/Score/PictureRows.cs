using System.Globalization;
using Accelserve.Client;
using Google.Protobuf;

namespace Score;

/// <summary>The table's lines for one picture, word for word those of <c>accelserve predict</c>.</summary>
internal static class PictureRows
{
    /// <summary>Picture, output, result, score, milliseconds; what repeats the line above is left empty.</summary>
    public static IReadOnlyList<string[]> Of(Answer answer, IReadOnlyList<string> labels, int top, float minScore)
    {
        var rows = new List<string[]>();
        string? above = null;
        foreach (var (output, result, score) in Results(answer, labels, top, minScore))
        {
            var isFirst = rows.Count == 0;
            rows.Add(
            [
                isFirst ? Path.GetFileName(answer.Picture) : "",
                string.Equals(output, above, StringComparison.Ordinal) ? "" : output,
                result,
                score,
                isFirst ? answer.Milliseconds.ToString("F1", CultureInfo.InvariantCulture) : "",
            ]);
            above = output;
        }

        return rows;
    }

    private static IEnumerable<(string Output, string Result, string Score)> Results(
        Answer answer, IReadOnlyList<string> labels, int top, float minScore) =>
        answer.Prediction.HasDetections
            ? Detections(answer, labels, top, minScore)
            : answer.Prediction.Keys.SelectMany(output =>
                ResultsOf(answer, output, labels, top).Select(each => (output, each.Result, each.Score)));

    private static IEnumerable<(string Output, string Result, string Score)> Detections(
        Answer answer, IReadOnlyList<string> labels, int top, float minScore)
    {
        var found = answer.Prediction.Detections(labels, minScore);
        if (found.Count == 0)
        {
            return [("detections", string.Create(CultureInfo.InvariantCulture, $"none of {minScore:g} or more"), "")];
        }

        var (width, height) = PictureSize.Of(answer.Image.Span);
        return found.Take(top).Select(each =>
        {
            var box = each.Box.ToPixels(width, height);
            var place = string.Create(
                CultureInfo.InvariantCulture, $"{each.Label} at {box.Left},{box.Top} to {box.Right},{box.Bottom}");
            return ("detections", place, Score(each.Score));
        });
    }

    /// <summary>The best classes of a vector of scores; of any other tensor its shape and range.</summary>
    private static IEnumerable<(string Result, string Score)> ResultsOf(
        Answer answer, string output, IReadOnlyList<string> labels, int top)
    {
        if (answer.HasScores(output, labels))
        {
            return answer.Prediction.TopK(top, labels, output).Select(each => (each.Label, Score(each.Score)));
        }

        return [(Described(answer.Prediction[output]), "")];
    }

    private static string Described(TensorData tensor)
    {
        var described = $"{NumpyName(tensor)} [{string.Join(", ", tensor.Shape)}]";
        if (tensor.Count == 0 || tensor.ElementType == typeof(bool) || tensor is TensorData<ByteString>)
        {
            return described;
        }

        var elements = tensor.ToSingles();
        return string.Create(
            CultureInfo.InvariantCulture, $"{described}, {(double)elements.Min():g4} to {(double)elements.Max():g4}");
    }

    private static string NumpyName(TensorData tensor) =>
        tensor is TensorData<ByteString> ? "object" : tensor.DataType.ToString()["Dt".Length..].ToLowerInvariant() switch
        {
            "float" => "float32",
            "double" => "float64",
            "half" => "float16",
            var name => name,
        };

    private static string Score(float score) => ((double)score).ToString("F4", CultureInfo.InvariantCulture);
}
