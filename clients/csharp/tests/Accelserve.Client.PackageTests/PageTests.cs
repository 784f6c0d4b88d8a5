using System.Collections;
using System.Globalization;

namespace Accelserve.Client.Packages;

/// <summary><c>docs/csharp.md</c> and the client's README: what they say is so.</summary>
public sealed class PageTests
{
    private static readonly Page _page = new(Path.Combine(Build.Repository, "docs", "csharp.md"));

    private static readonly Page _readme =
        new(Path.Combine(Build.Repository, "clients", "csharp", "src", "Accelserve.Client", "README.md"));

    /// <summary>In a project with the packages installed, warnings being errors.</summary>
    [Fact]
    public async Task The_code_compiles_without_warnings_runs_and_prints_what_the_page_says()
    {
        await using var peers = await PagePeers.StartAsync();
        using var project = new UserProject(
            "Microsoft.NET.Sdk.Web",
            "<Nullable>enable</Nullable><ImplicitUsings>enable</ImplicitUsings><TreatWarningsAsErrors>true</TreatWarningsAsErrors><UseAppHost>false</UseAppHost><NuGetAudit>false</NuGetAudit>",
            ("Accelserve.Client.Extensions", Build.PackageVersion),
            ("OpenTelemetry", Build.OpenTelemetryVersion));
        Block[] blocks = [.. _page.Blocks, .. _readme.Blocks];
        foreach (var (i, block) in blocks.Index())
        {
            project.Write($"Block{i}.cs", peers.Address(PageProgram.SourceOf(block, i)));
        }

        project.Write("Frame.cs", PageProgram.Main);
        project.Write("Program.cs", PageProgram.EntryFor(blocks.Length));
        project.Write("appsettings.json", peers.Address(_page.Json));
        peers.WriteFiles(project);

        var build = await project.RunAsync("build", "--nologo", "--output", "out");
        Assert.True(build.Code == 0, build.Output + build.Errors);
        var run = await project.RunAsync("out/App.dll", peers.Plain.Address);

        Assert.True(run.Code == 0, run.Output + run.Errors);
        var printed = PageProgram.OutputsIn(run.Output);
        Assert.Equal(blocks.Length, printed.Length);
        foreach (var (block, output) in blocks.Zip(printed).Where(static pair => pair.First.Output is not null))
        {
            Assert.Equal($"{block.Page}:{block.Line}\n{Trimmed(block.Output!)}", $"{block.Page}:{block.Line}\n{Trimmed(output)}");
        }

        Assert.NotEmpty(peers.Second.Service.Requests);
        Assert.All(peers.Secure.Service.Headers, static headers => Assert.Equal("Bearer KEY", headers.GetValue("authorization")));
        Assert.NotEmpty(peers.Secure.Service.Headers);
    }

    [Theory]
    [InlineData(typeof(PredictionClientOptions))]
    [InlineData(typeof(TlsOptions))]
    [InlineData(typeof(ModelSelection))]
    [InlineData(typeof(RetryPolicy))]
    [InlineData(typeof(CallSettings))]
    [InlineData(typeof(BatchSettings))]
    public void The_tables_have_every_option_with_its_default(Type type)
    {
        var defaults = Activator.CreateInstance(type);
        var expected = type.GetProperties().ToDictionary(
            static property => property.Name, property => Text(property.GetValue(defaults)));

        var found = _page.TableUnder(type.Name);

        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), found.Keys.Order(StringComparer.Ordinal));
        Assert.All(expected, pair => Assert.Equal($"{pair.Key}: {pair.Value}", $"{pair.Key}: {found[pair.Key]}"));
    }

    [Fact]
    public void Every_exception_is_in_the_table()
    {
        var text = File.ReadAllText(Path.Combine(Build.Repository, "docs", "csharp.md"));
        var leaves = typeof(PredictionException).Assembly.GetExportedTypes()
            .Where(static type => type.IsSubclassOf(typeof(PredictionException)) && !type.IsAbstract);
        Assert.All(leaves, type => Assert.Contains($"\n| `{type.Name}` |", text, StringComparison.Ordinal));
    }

    private static string Text(object? value) => value switch
    {
        null => "none",
        "" => "empty",
        string text => $"`{text}`",
        bool flag => flag ? "`true`" : "`false`",
        TimeSpan time when time.Ticks % TimeSpan.TicksPerMinute == 0 => $"{time.TotalMinutes} min",
        TimeSpan time when time.Ticks % TimeSpan.TicksPerSecond == 0 => $"{time.TotalSeconds} s",
        TimeSpan time => $"{time.TotalMilliseconds} ms",
        int number when number % (1 << 20) == 0 => $"{number >> 20} MiB",
        int number => $"`{number.ToString(CultureInfo.InvariantCulture)}`",
        ModelSelection or RetryPolicy => $"see [{value.GetType().Name}](#{value.GetType().Name.ToLowerInvariant()})",
        IEnumerable each when !each.Cast<object>().Any() => "empty",
        Enum name => $"`{name}`",
        _ => throw new InvalidOperationException($"How is {value} written?"),
    };

    private static string Trimmed(string text) =>
        string.Join('\n', text.Split('\n').Select(static line => line.TrimEnd())).Trim();
}
