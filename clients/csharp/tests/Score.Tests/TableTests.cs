using System.Text.Json;

namespace Score.Tests;

/// <summary>The judge is <c>accelserve predict</c>: both print this file from these rows.</summary>
public sealed class TableTests
{
    private static readonly string _folder = Path.Combine(AppContext.BaseDirectory, "predict_table");

    [Fact]
    public void Eighty_columns_hold_every_word()
    {
        var rows = JsonSerializer.Deserialize<string[][]>(File.ReadAllText(Path.Combine(_folder, "rows.json")))!;
        Assert.Equal(File.ReadAllText(Path.Combine(_folder, "table.txt")), ConsoleTable.Render(rows, 80));
    }

    [Fact]
    public void A_table_is_no_wider_than_it_needs()
    {
        var table = ConsoleTable.Render([["a.jpg", "o", "r", "0.1", "1.0"]], 80);
        Assert.Equal(
            "                                         \n"
            + " picture   output   result   score    ms \n"
            + " ─────────────────────────────────────── \n"
            + " a.jpg     o        r          0.1   1.0 \n"
            + "                                         \n",
            table);
    }
}
