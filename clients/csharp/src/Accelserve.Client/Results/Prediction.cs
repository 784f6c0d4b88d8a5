using System.Collections;
using System.Diagnostics.CodeAnalysis;
using Tensorflow.Serving;

namespace Accelserve.Client;

/// <summary>What a model answered: tensors by the names of its outputs, in the order that was asked for, or sorted by
/// name. Immutable and safe to use from any thread.</summary>
[SuppressMessage("Naming", "CA1710", Justification = "A prediction is no dictionary to its users; it can be read as one.")]
public sealed class Prediction : IReadOnlyDictionary<string, TensorData>
{
    private readonly string[] _names;
    private readonly TensorData[] _tensors;

    internal Prediction(PredictResponse response, string[] names, TensorData[] tensors)
    {
        Response = response;
        _names = names;
        _tensors = tensors;
    }

    /// <summary>Reads a response of Predict, wherever it came from: a generated stub, or a test that plays a server. The
    /// batch dimension stays.</summary>
    /// <param name="response">Not copied: do not change it afterwards.</param>
    /// <param name="outputs">Names of the outputs that are wanted, in that order; <see langword="null"/> is all, sorted by
    /// name.</param>
    /// <exception cref="UnexpectedResponseException">An output is missing or cannot be read, or there are none.</exception>
    public static Prediction FromResponse(PredictResponse response, IReadOnlyList<string>? outputs = null) =>
        Responses.Read(
            response ?? throw new ArgumentNullException(nameof(response)),
            outputs,
            PredictionClientOptions.DefaultMaxMessageBytes);

    /// <summary>The message as it came. The tensors see into it: do not change it.</summary>
    public PredictResponse Response { get; }

    /// <summary>The model that answered; empty from a server that does not say.</summary>
    public string ModelName => Response.ModelSpec?.Name ?? "";

    /// <summary>The version that answered; <see langword="null"/> from a server that does not say.</summary>
    public long? ModelVersion => Response.ModelSpec?.Version;

    /// <summary>The only output.</summary>
    /// <exception cref="InvalidOperationException">There are several; the message names them.</exception>
    public TensorData Output => _tensors.Length == 1
        ? _tensors[0]
        : throw new InvalidOperationException($"The model has several outputs; name one of {string.Join(", ", _names)}.");

    /// <inheritdoc/>
    public IEnumerable<string> Keys => _names;

    /// <inheritdoc/>
    public IEnumerable<TensorData> Values => _tensors;

    /// <inheritdoc/>
    public int Count => _names.Length;

    /// <summary>Whether the outputs are those of TensorFlow's object detection.</summary>
    public bool HasDetections => DetectionOutputs.AreIn(this);

    /// <summary>An output.</summary>
    /// <param name="key">Its name.</param>
    /// <exception cref="KeyNotFoundException">There is none of this name; the message names those that are there.</exception>
    public TensorData this[string key] => TryGetValue(key, out var tensor)
        ? tensor
        : throw new KeyNotFoundException($"No output '{key}', only {string.Join(", ", _names)}.");

    /// <summary>The best classes of an output that is a vector of scores, the best first; equal ones stay in the order of
    /// the classes.</summary>
    /// <param name="count">At most so many.</param>
    /// <param name="labels">Names of all classes; none leaves <see cref="ClassScore.Label"/> as <c>class N</c>.</param>
    /// <param name="output">Name of the output; <see langword="null"/> is the only one.</param>
    /// <exception cref="InvalidOperationException">The output is no vector of real numbers, or there are several.</exception>
    /// <exception cref="ArgumentException">Another number of labels than classes.</exception>
    public IReadOnlyList<ClassScore> TopK(int count = 5, IReadOnlyList<string>? labels = null, string? output = null) =>
        Classes.Best(output is null ? Output : this[output], count, labels);

    /// <summary>The objects that a detector found in one picture, the surest first.</summary>
    /// <param name="labels">Names of the classes; a class beyond them is <c>class N</c>.</param>
    /// <param name="minScore">Those below are left out.</param>
    /// <exception cref="InvalidOperationException">The outputs are not those of a detector, or of several pictures: see
    /// <see cref="SplitBatch"/>.</exception>
    public IReadOnlyList<Detection> Detections(IReadOnlyList<string>? labels = null, float minScore = 0.5f) =>
        DetectionOutputs.Read(this, labels, minScore);

    /// <summary>The answers for each picture of a batch, in order, without the first dimension; nothing is copied.</summary>
    /// <exception cref="InvalidOperationException">An output is a scalar, or their first dimensions differ.</exception>
    public IReadOnlyList<Prediction> SplitBatch()
    {
        var size = BatchSize();
        var parts = new Prediction[size];
        for (var i = 0; i < size; i++)
        {
            var place = i;
            parts[i] = new Prediction(Response, _names, Array.ConvertAll(_tensors, tensor => tensor[place]));
        }

        return parts;
    }

    /// <inheritdoc/>
    public bool ContainsKey(string key) => Array.IndexOf(_names, key) >= 0;

#pragma warning disable CS8767 // .NET Standard's interface does not say that the value may be null.
    /// <inheritdoc/>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out TensorData value)
#pragma warning restore CS8767
    {
        var index = Array.IndexOf(_names, key);
        value = index < 0 ? null : _tensors[index];
        return index >= 0;
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, TensorData>> GetEnumerator()
    {
        for (var i = 0; i < _names.Length; i++)
        {
            yield return new KeyValuePair<string, TensorData>(_names[i], _tensors[i]);
        }
    }

    /// <summary>The outputs with their types and shapes.</summary>
    public override string ToString() => string.Join(", ", this.Select(static pair => $"{pair.Key}: {pair.Value}"));

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The same with the first dimension removed from every output in which it is 1.</summary>
    internal Prediction WithoutBatch()
    {
        for (var i = 0; i < _tensors.Length; i++)
        {
            if (_tensors[i].Shape is [1, ..])
            {
                _tensors[i] = _tensors[i][0];
            }
        }

        return this;
    }

    private int BatchSize()
    {
        long? size = null;
        for (var i = 0; i < _tensors.Length; i++)
        {
            if (_tensors[i].Shape is not [var first, ..] || (size is { } other && first != other))
            {
                throw new InvalidOperationException($"The outputs have no common first dimension: {this}.");
            }

            size = first;
        }

        return (int)(size ?? 0);
    }
}
