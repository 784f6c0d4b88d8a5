using System.Globalization;

namespace Accelserve.Client;

/// <summary>A class and its score.</summary>
/// <param name="Index">The class's place in the output, from 0.</param>
/// <param name="Label">Its name, or <c>class N</c>.</param>
/// <param name="Score">As the model gives it.</param>
public readonly record struct ClassScore(int Index, string Label, float Score);

/// <summary>The best of a vector of scores.</summary>
internal static class Classes
{
    public static string LabelOf(int index, IReadOnlyList<string>? labels) =>
        labels is not null && index >= 0 && index < labels.Count
            ? labels[index]
            : $"class {index.ToString(CultureInfo.InvariantCulture)}";

    public static IReadOnlyList<ClassScore> Best(TensorData tensor, int count, IReadOnlyList<string>? labels)
    {
        if (count < 0)
        {
            throw new ArgumentOutOfRangeException(nameof(count), count, "Expected 0 or more.");
        }

        if (tensor.Shape.Count(static size => size != 1) > 1 || tensor.ElementType == typeof(bool))
        {
            throw new InvalidOperationException($"Expected a vector of scores, got {tensor}.");
        }

        if (labels is { Count: > 0 } && labels.Count != tensor.Count)
        {
            throw new ArgumentException($"Got {labels.Count} labels for {tensor.Count} classes.", nameof(labels));
        }

        return Best(tensor is TensorData<float> singles ? singles.Span : tensor.ToSingles(), count, labels);
    }

    private static ClassScore[] Best(ReadOnlySpan<float> scores, int count, IReadOnlyList<string>? labels)
    {
        var best = new List<ClassScore>(Math.Min(count, scores.Length));
        for (var i = 0; i < scores.Length && count > 0; i++)
        {
            if (best.Count == count && !IsAbove(scores[i], best[count - 1].Score))
            {
                continue;
            }

            if (best.Count == count)
            {
                best.RemoveAt(count - 1);
            }

            var place = best.Count;
            while (place > 0 && IsAbove(scores[i], best[place - 1].Score))
            {
                place--;
            }

            best.Insert(place, new ClassScore(i, LabelOf(i, labels), scores[i]));
        }

        return [.. best];
    }

    /// <summary>NaN is below everything, as numpy sorts it.</summary>
    private static bool IsAbove(float score, float other) => score > other || (float.IsNaN(other) && !float.IsNaN(score));
}
