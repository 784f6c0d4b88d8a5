using System.CommandLine;
using Accelserve.Client;

namespace Score;

/// <summary>What is wanted.</summary>
internal sealed record Request
{
    public required PredictionClientOptions Options { get; init; }

    public required IReadOnlyList<string> Pictures { get; init; }

    public required CallSettings Settings { get; init; }

    public IReadOnlyList<string>? Labels { get; init; }

    public required int Top { get; init; }

    public required float MinScore { get; init; }

    public bool Json { get; init; }

    public LoadRun? Load { get; init; }
}

/// <summary>The arguments and options, and how they are read.</summary>
internal sealed class Arguments
{
    private const int DefaultPort = 8500;
    private static readonly string[] _extensions = [".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp"];

    private readonly Argument<string[]> _pictures = new("pictures")
    {
        Description = "Files, or folders of them.",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string> _address = new("--address")
    {
        Description = "HOST:PORT, https://HOST:PORT, or several separated by commas.",
        DefaultValueFactory = static _ => "localhost:8500",
    };

    private readonly Option<string> _model = new("--model") { Description = "Name; the server's only or default model if not given." };
    private readonly Option<long?> _version = new("--version") { Description = "Of the model; the latest if not given." };
    private readonly Option<string> _label = new("--version-label") { Description = "Of the version, instead of its number." };
    private readonly Option<string> _signature = new("--signature") { Description = "serving_default if not given." };
    private readonly Option<string> _input = new("--input")
    {
        Description = "The model's input.",
        DefaultValueFactory = static _ => "images",
    };

    private readonly Option<string> _outputs = new("--outputs", "--output") { Description = "Those to print, separated by commas; all if not given." };
    private readonly Option<string> _labels = new("--labels")
    {
        Description = "File with the names of the classes, one a line; the server's if not given.",
    };

    private readonly Option<int> _top = new("--top") { Description = "Results a picture.", DefaultValueFactory = static _ => 5 };
    private readonly Option<float> _minScore = new("--min-score")
    {
        Description = "Of a detection that is shown.",
        DefaultValueFactory = static _ => 0.5f,
    };

    private readonly Option<double> _timeout = new("--timeout")
    {
        Description = "Seconds a picture.",
        DefaultValueFactory = static _ => 30,
    };

    private readonly Option<string> _token = new("--token") { Description = "Key to send. Also ACCELSERVE_TOKEN." };
    private readonly Option<bool> _tls = new("--tls") { Description = "Encrypt." };
    private readonly Option<string> _tlsCa = new("--tls-ca") { Description = "PEM file of the authorities to trust; encrypts." };
    private readonly Option<bool> _json = new("--json") { Description = "A JSON object a picture and line instead of the table." };
    private readonly Option<bool> _bench = new("--bench") { Description = "Ask all the time, and print rates and percentiles." };
    private readonly Option<int> _callers = new("--callers")
    {
        Description = "Requests under way at once, with --bench.",
        DefaultValueFactory = static _ => 1,
    };

    private readonly Option<double> _seconds = new("--seconds")
    {
        Description = "How long, with --bench.",
        DefaultValueFactory = static _ => 5,
    };

    public void AddTo(RootCommand command)
    {
        // Its own --version would print the program's; here it chooses the model's.
        foreach (var own in command.Options.OfType<VersionOption>().ToList())
        {
            command.Options.Remove(own);
        }

        command.Arguments.Add(_pictures);
        Option[] options =
        [
            _address, _model, _version, _label, _signature, _input, _outputs, _labels, _top, _minScore, _timeout, _token, _tls,
            _tlsCa, _json, _bench, _callers, _seconds,
        ];
        foreach (var option in options)
        {
            command.Options.Add(option);
        }
    }

    /// <exception cref="ArgumentException">A number is out of its range, or a folder holds no picture.</exception>
    /// <exception cref="IOException">The file of labels cannot be read.</exception>
    public Request Read(ParseResult parsed)
    {
        var outputs = parsed.GetValue(_outputs);
        return new Request
        {
            Options = OptionsOf(parsed),
            Pictures = [.. parsed.GetValue(_pictures)!.SelectMany(PicturesIn)],
            Settings = new CallSettings { Outputs = outputs?.Split(',') },
            Labels = parsed.GetValue(_labels) is { } file ? File.ReadAllLines(file) : null,
            Top = AtLeastOne("--top", parsed.GetValue(_top)),
            MinScore = parsed.GetValue(_minScore),
            Json = parsed.GetValue(_json),
            Load = parsed.GetValue(_bench)
                ? new LoadRun(AtLeastOne("--callers", parsed.GetValue(_callers)), Seconds("--seconds", parsed.GetValue(_seconds)))
                : null,
        };
    }

    private PredictionClientOptions OptionsOf(ParseResult parsed)
    {
        var token = parsed.GetValue(_token) ?? Environment.GetEnvironmentVariable("ACCELSERVE_TOKEN");
        return new PredictionClientOptions
        {
            Address = parsed.GetValue(_address)!,
            Port = DefaultPort,
            UseTls = parsed.GetValue(_tls),
            Tls = parsed.GetValue(_tlsCa) is { } file ? new TlsOptions { RootCertificatesFile = file } : null,
            AccessToken = token,
            // As `accelserve predict` does: whoever types a key and an address on one line means it.
            AllowAccessTokenOverPlainText = true,
            Timeout = Seconds("--timeout", parsed.GetValue(_timeout)),
            InputName = parsed.GetValue(_input)!,
            Model = new ModelSelection
            {
                Name = parsed.GetValue(_model) ?? "",
                Version = parsed.GetValue(_version),
                VersionLabel = parsed.GetValue(_label) ?? "",
                SignatureName = parsed.GetValue(_signature) ?? "",
            },
        };
    }

    private static IEnumerable<string> PicturesIn(string path)
    {
        if (!Directory.Exists(path))
        {
            return [path];
        }

        var found = Directory.EnumerateFiles(path)
            .Where(static file => _extensions.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))
            .Order(StringComparer.Ordinal)
            .ToList();
        return found.Count > 0 ? found : throw new ArgumentException($"{path} holds no picture ({string.Join(", ", _extensions)}).");
    }

    private static int AtLeastOne(string name, int value) =>
        value >= 1 ? value : throw new ArgumentException($"{name}: expected 1 or more, got {value}.");

    private static TimeSpan Seconds(string name, double value) =>
        value > 0 ? TimeSpan.FromSeconds(value) : throw new ArgumentException($"{name}: expected more than 0, got {value}.");
}
