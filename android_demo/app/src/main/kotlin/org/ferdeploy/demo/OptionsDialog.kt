package org.ferdeploy.demo

import android.app.Activity
import android.app.AlertDialog
import android.view.View
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.LinearLayout
import android.widget.Spinner
import android.widget.TextView
import org.ferdeploy.core.ArtifactInfo
import org.ferdeploy.core.Provider
import org.ferdeploy.core.RunOptions

/** Asks which of the bundled artifacts to run, how, and with how many threads. */
class OptionsDialog(private val activity: Activity, private val infos: Map<String, ArtifactInfo>) {
    private val names = infos.keys.toList()
    private var providers = emptyList<Provider>()

    fun show(now: RunOptions, onChosen: (RunOptions) -> Unit) {
        val artifact = spinner(names.map { "${infos.getValue(it).run { "$model, $recipe, $target" }} ($it)" }, names.indexOf(now.artifact))
        val provider = Spinner(activity)
        val threads = spinner(RunOptions.THREADS.map(Int::toString), RunOptions.THREADS.indexOf(now.threads))
        offerProviders(provider, now.artifact, now.provider)
        artifact.onItemSelectedListener = object : AdapterView.OnItemSelectedListener {
            override fun onItemSelected(parent: AdapterView<*>?, view: View?, position: Int, id: Long) =
                offerProviders(provider, names[position], providers[provider.selectedItemPosition])

            override fun onNothingSelected(parent: AdapterView<*>?) = Unit
        }
        val rows = LinearLayout(activity).apply {
            orientation = LinearLayout.VERTICAL
            val edge = (20 * resources.displayMetrics.density).toInt()
            setPadding(edge, edge, edge, 0)
            for ((title, choice) in listOf("Artifact" to artifact, "Engine" to provider, "Threads" to threads)) {
                addView(TextView(activity).apply { text = title })
                addView(choice)
            }
        }
        AlertDialog.Builder(activity).setView(rows)
            .setNegativeButton(android.R.string.cancel, null)
            .setPositiveButton(android.R.string.ok) { _, _ ->
                onChosen(
                    RunOptions(
                        names[artifact.selectedItemPosition],
                        providers[provider.selectedItemPosition],
                        RunOptions.THREADS[threads.selectedItemPosition],
                    ),
                )
            }.show()
    }

    private fun offerProviders(into: Spinner, artifact: String, wanted: Provider) {
        val possible = Provider.of(infos.getValue(artifact).target)
        if (possible == providers) return
        providers = possible
        fill(into, possible.map { it.label }, possible.indexOf(wanted))
    }

    private fun spinner(choices: List<String>, chosen: Int) = Spinner(activity).also { fill(it, choices, chosen) }

    private fun fill(spinner: Spinner, choices: List<String>, chosen: Int) {
        spinner.adapter = ArrayAdapter(activity, android.R.layout.simple_spinner_dropdown_item, choices)
        spinner.setSelection(maxOf(chosen, 0))
    }
}
