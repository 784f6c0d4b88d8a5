using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Accelserve.Client;
using Score;

namespace Accelserve.Interop.Tests;

/// <summary>The judge is the Python client, asked for the same pictures of the same server.</summary>
public sealed partial class ScoringTests(World world)
{
    [Theory]
    [InlineData("")]
    [InlineData("features")]
    public async Task Scores_are_the_python_clients_to_the_bit(string signature)
    {
        await using var client = Client(signature);
        var expected = await World.ScoredByPythonAsync(world.Server, signature, World.Photographs);
        for (var i = 0; i < World.Photographs.Count; i++)
        {
            var prediction = await client.ScoreFileAsync(World.Photographs[i]);
            Assert.Equal(expected[i].Single().Value, Bits(prediction.Output), ignoreCase: true);
        }
    }

    [Fact]
    public async Task A_batch_is_its_pictures()
    {
        await using var client = Client();
        var images = World.Photographs.Select(path => new ReadOnlyMemory<byte>(File.ReadAllBytes(path))).ToList();

        var batch = await client.ScoreImagesAsync(images);

        var parts = batch.SplitBatch();
        for (var i = 0; i < images.Count; i++)
        {
            var alone = await client.ScoreImageAsync(images[i]);
            Assert.Equal(Bits(alone.Output), Bits(parts[i].Output));
        }
    }

    [Fact]
    public async Task Sixty_four_photographs_fit_in_one_request()
    {
        await using var client = Client();
        var image = File.ReadAllBytes(World.Photographs[0]);

        var batch = await client.ScoreImagesAsync(Enumerable.Repeat(new ReadOnlyMemory<byte>(image), 64));

        Assert.Equal(64, batch.Output.Shape[0]);
        Assert.Single(batch.SplitBatch().Select(each => Bits(each.Output)).Distinct());
    }

    [Fact]
    public async Task A_folder_is_scored_in_order_and_a_file_that_is_no_picture_disturbs_no_other()
    {
        await using var client = Client();
        var folder = Directory.CreateDirectory(Path.Combine(World.Folder, "with-a-bad-one")).FullName;
        foreach (var path in World.Photographs)
        {
            File.Copy(path, Path.Combine(folder, Path.GetFileName(path)), overwrite: true);
        }

        await File.WriteAllTextAsync(Path.Combine(folder, "a-bad-one.jpg"), "no picture");

        var answers = new List<FilePrediction>();
        await foreach (var answer in client.ScoreFolderAsync(folder, new BatchSettings { BatchSize = 3, Concurrency = 2 }))
        {
            answers.Add(answer);
        }

        Assert.Equal(Directory.GetFiles(folder).Order(StringComparer.Ordinal), answers.Select(each => each.Path));
        var bad = Assert.Single(answers, each => each.Error is not null);
        Assert.Equal("a-bad-one.jpg", Path.GetFileName(bad.Path));
        var alone = await client.ScoreFileAsync(answers[^1].Path);
        Assert.Equal(Bits(alone.Output), Bits(answers[^1].Prediction!.Output));
    }

    [Fact]
    public async Task A_model_describes_itself()
    {
        await using var client = Client();

        var description = await client.DescribeModelAsync();
        var labels = await client.LabelsAsync();
        var statuses = await client.ModelStatusAsync(new CallSettings { Model = new ModelSelection { Name = World.NetworkName } });

        Assert.Equal(World.NetworkName, description.Name);
        Assert.Equal(["features", "serving_default"], description.Signatures.Keys.Order(StringComparer.Ordinal));
        Assert.NotEmpty(labels);
        Assert.Equal(1, Assert.Single(statuses).Version);
        Assert.Equal(ServerHealth.Serving, await client.CheckHealthAsync());
    }

    [Fact]
    public async Task Labels_choose_versions()
    {
        var folder = Directory.CreateDirectory(Path.Combine(World.Folder, "labelled")).FullName;
        var config = Path.Combine(folder, "models.config");
        await File.WriteAllTextAsync(
            config,
            $$"""
            model_config_list { config {
              name: "{{World.NetworkName}}" base_path: "{{World.Network}}" model_platform: "tensorflow"
              version_labels { key: "stable" value: 1 }
            } }
            """);
        await using var server = await Server.StartAsync(0, $"--model_config_file={config}", "--allow_version_labels_for_unavailable_models");
        await using var client = new PredictionClient(server.Address);

        var stable = new CallSettings { Model = new ModelSelection { Name = World.NetworkName, VersionLabel = "stable" } };
        var canary = new CallSettings { Model = new ModelSelection { Name = World.NetworkName, VersionLabel = "canary" } };

        Assert.Equal(1, (await client.ScoreFileAsync(World.Photographs[0], stable)).ModelVersion);
        var refused = await Assert.ThrowsAnyAsync<CallException>(() => client.ScoreFileAsync(World.Photographs[0], canary));
        Assert.Contains("canary", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Detections_are_the_python_clients_to_the_bit()
    {
        await using var server = await DetectorAsync();
        await using var client = new PredictionClient(server.Address);
        var expected = (await World.ScoredByPythonAsync(server, "", World.Photographs[0])).Single();

        var prediction = await client.ScoreFileAsync(World.Photographs[0]);

        Assert.True(prediction.HasDetections);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), prediction.Keys.Order(StringComparer.Ordinal));
        Assert.All(expected, output => Assert.Equal(output.Value, Bits(prediction[output.Key]), ignoreCase: true));
        var found = prediction.Detections(minScore: 0);
        Assert.Equal((int)prediction["num_detections"].ToSingles()[0], found.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_sample_prints_what_the_python_command_prints_but_for_its_times(bool isDetector)
    {
        var (expected, printed) = await PrintedByBothAsync(isDetector);

        Assert.Equal(WithoutTimes(expected), WithoutTimes(printed));
    }

    [Theory]
    [InlineData(false, "")]
    [InlineData(false, "features")]
    [InlineData(true, "")]
    public async Task The_samples_json_is_the_python_commands_but_for_its_times(bool isDetector, string signature)
    {
        var (expected, printed) = await PrintedByBothAsync(isDetector, "--json", "--signature", signature);

        var theirs = Documents(expected);
        var ours = Documents(printed);
        Assert.Equal(3, ours.Count);
        Assert.All(theirs.Zip(ours), static pair => Assert.True(JsonNode.DeepEquals(pair.First, pair.Second), $"{pair.First}\n{pair.Second}"));
    }

    internal static Task<Server> DetectorAsync() => Server.StartAsync(
        0, $"--model_base_path={Path.Combine(World.Folder, "models", "detector")}", "--model_name=detector");

    private PredictionClient Client(string signature = "") => new(new PredictionClientOptions
    {
        Address = world.Server.Address,
        Model = new ModelSelection { SignatureName = signature },
    });

    /// <summary>What the Python command and the sample print of three photographs, asked with the same flags.</summary>
    private async Task<(string Python, string Sample)> PrintedByBothAsync(bool isDetector, params string[] more)
    {
        await using var detector = isDetector ? await DetectorAsync() : null;
        var server = detector ?? world.Server;
        string[] asked = [.. World.Photographs.Take(3), "--address", server.Address, "--top", "3", "--min-score", "0.01", .. more];
        var expected = await World.RunPythonAsync(["-m", "accelserve.server.cli", "predict", .. asked]);
        var arguments = new Arguments();
        var command = new System.CommandLine.RootCommand();
        arguments.AddTo(command);
        await using var printed = new StringWriter();

        Assert.Equal(
            0, await ScoreCommand.RunAsync(arguments.Read(command.Parse(asked)), printed, TextWriter.Null, 80, CancellationToken.None));
        return (expected, printed.ToString());
    }

    private static IReadOnlyList<JsonObject> Documents(string lines) =>
        [.. lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line =>
        {
            var document = JsonNode.Parse(line)!.AsObject();
            Assert.True(document.Remove("milliseconds"));
            return document;
        })];

    /// <summary>Lines without the milliseconds and without blanks, whose number depends on how long the times are.</summary>
    private static IReadOnlyList<string> WithoutTimes(string table) =>
        [.. table.Split('\n').Select(line => Blanks().Replace(Milliseconds().Replace(line, ""), " ").Replace("─", "", StringComparison.Ordinal).Trim())];

    [GeneratedRegex(@"\d+\.\d *$")]
    private static partial Regex Milliseconds();

    [GeneratedRegex(" +")]
    private static partial Regex Blanks();

    private static string Bits(TensorData tensor) => Convert.ToHexString(MemoryMarshal.AsBytes(tensor.ToSingles().AsSpan()));
}
